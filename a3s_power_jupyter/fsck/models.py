"""Check manifests, the files of models, and the records of conversions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
from msgspec import UNSET

from ..contract.errors import FileChanged, FileNotFound, PowerError
from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest, StoredFile
from ..store.a3s_power import A3SManifest
from ..store.blobs import BLOB_PREFIX, BLOBS, PARTIAL_PREFIX
from ..store.conversions import CONVERSIONS, Conversion
from ..store.files import TEMPORARY_PREFIX, file_size, sha256_of, source_file
from ..store.manifest import MANIFESTS, Unreadable
from ..store.model_store import ModelStore
from ..store.names import SUFFIX
from .finding import Finding

_BLOB_NAME = re.compile(rf"{BLOB_PREFIX}[0-9a-f]{{64}}")

_PULL_AGAIN = "Pull or register the model again, or delete it."


def check_manifests(store: ModelStore) -> Iterator[Finding]:
    """Find manifests that cannot be read, and other files among them."""
    folder = store.home / MANIFESTS
    for bad in store.snapshot().unreadable:
        yield _unreadable(store, folder / bad.file, bad)
    yield from _foreign(folder, lambda name: name.endswith(SUFFIX))


def _unreadable(store: ModelStore, path: Path, bad: Unreadable) -> Finding:
    reason = f"The manifest cannot be read: {bad.reason}."
    if bad.is_newer:
        return Finding("problem", path, reason, "Upgrade the package. The file is left alone.")
    if bad.other is not None and bad.other.format not in ("gguf", "remote"):
        return Finding(
            "problem",
            path,
            reason,
            action="hash the files of the model and register it in place",
            repair=partial(_register, store, bad.other),
        )
    name = f"{bad.name!r}" if bad.name else "the model"
    advice = f'Register or pull {name} again with "overwrite": true, or delete it.'
    return Finding("problem", path, reason, advice)


def _register(store: ModelStore, other: A3SManifest) -> None:
    store.register(other.registration(), DefaultParameters())


def check_files(store: ModelStore) -> Iterator[Finding]:
    """Find files of models that are missing, have changed, or cannot be read."""
    for manifest in store.list():
        for file in manifest.files:
            one = msgspec.structs.replace(manifest, files=(file,))
            path = _path(store, file)
            try:
                store.resolve(one)
            except (FileNotFound, FileChanged) as error:
                yield Finding("problem", path, f"{manifest.name}: {error.message}")
            except PowerError as error:
                yield Finding("problem", path, f"{manifest.name}: {error.message}", _PULL_AGAIN)


def check_contents(store: ModelStore) -> Iterator[Finding]:
    """Find files with a content that is not the registered one. This reads all files."""
    checked: set[Path] = set()
    for manifest in store.list():
        for file in manifest.files:
            path = _path(store, file)
            if path not in checked:
                checked.add(path)
                yield from _check_content(store, manifest, file, path)


def _check_content(
    store: ModelStore, manifest: Manifest, file: StoredFile, path: Path
) -> Iterator[Finding]:
    try:
        source = source_file(path)
        if source.size != file.size or sha256_of(source) == file.sha256:
            return  # `check_files` has found another size
    except PowerError:
        return  # it has found this, too
    reason = f"{manifest.name}: the content of {file.name} does not match its SHA-256."
    if file.path is not UNSET:
        yield Finding("problem", path, reason, 'Register the model again with "overwrite": true.')
    else:
        yield Finding(
            "problem",
            path,
            f"{reason} {_PULL_AGAIN}",
            action="remove it, so that a pull fetches it again",
            repair=partial(_remove_blob, store, file.sha256),
        )


def _remove_blob(store: ModelStore, sha256: str) -> None:
    source = source_file(store.blobs.path(sha256))
    if sha256_of(source) == sha256:
        return
    with store.locked():
        if source_file(source.path) == source:  # else a pull has replaced it meanwhile
            store.blobs.remove([sha256])


def check_blobs(store: ModelStore) -> Iterator[Finding]:
    """Find files among the blobs that are not ours. Unused blobs are garbage."""
    yield from _foreign(
        store.home / BLOBS,
        lambda name: _BLOB_NAME.fullmatch(name) is not None or name.startswith(PARTIAL_PREFIX),
    )


def check_conversions(store: ModelStore) -> Iterator[Finding]:
    """Find records of conversions with a result that is missing or incomplete."""
    used, _ = store.conversions.partition(store.list())
    for path, record in used.items():
        if record.is_newer:
            reason = "A newer version of this package wrote the record. It is left alone."
            yield Finding("note", path, reason)
        elif record.refused is None and _lacks_result(store, record):
            yield Finding(
                "problem",
                path,
                "The converted model is missing or incomplete. The next load converts it again.",
                action="remove the record",
                repair=partial(_remove_conversion, store, path, record),
            )
    yield from _foreign(store.home / CONVERSIONS, lambda name: name.endswith(SUFFIX))


def _lacks_result(store: ModelStore, record: Conversion) -> bool:
    return file_size(store.blobs.path(record.sha256)) != record.size


def _remove_conversion(store: ModelStore, path: Path, record: Conversion) -> None:
    with store.locked():
        if store.conversions.get(path.stem) == record and _lacks_result(store, record):
            path.unlink()


def _foreign(folder: Path, is_ours: Callable[[str], bool]) -> Iterator[Finding]:
    """Find files that this package does not write. They are left alone."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not is_ours(path.name) and not path.name.startswith(TEMPORARY_PREFIX):
            reason = "This file does not belong to the store. It is left alone."
            yield Finding("note", path, reason)


def _path(store: ModelStore, file: StoredFile) -> Path:
    return store.blobs.path(file.sha256) if file.path is UNSET else Path(file.path)
