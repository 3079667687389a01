"""Compare the content of files with their SHA-256. This reads all files of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import UNSET

from ..contract.errors import FileChanged, FileNotFound, NotAFile, PathUnreadable
from ..contract.types import Manifest, StoredFile
from ..store.conversions import Conversion
from ..store.files import sha256_of, source_file
from ..store.model_store import ModelStore
from ..store.stored_files import restoring
from .finding import Finding, Repair, phrase, remove

#: Errors of files that other checks find, or that another process changes meanwhile.
_GONE = (FileNotFound, NotAFile, FileChanged)

Users = list[tuple[Manifest, StoredFile]]


def check_contents(store: ModelStore) -> Iterator[Finding]:
    """Find files with a content that is not the registered one, or that cannot be read."""
    manifests = store.list()
    for (path, _, _), users in _users(store, manifests).items():
        yield from _check_file(store, path, users)
    records, _ = store.conversions.partition(manifests)
    for path, record in records.items():
        if record.refused is None and not record.is_newer:
            yield from _check_conversion(store, path, record)


def path_of(store: ModelStore, file: StoredFile) -> Path:
    return store.blobs.path(file.sha256) if file.path is UNSET else Path(file.path)


def _users(store: ModelStore, manifests: Sequence[Manifest]) -> dict[tuple[Path, str, int], Users]:
    """Return the models that use each content, so that it is read once and all are named."""
    users: dict[tuple[Path, str, int], Users] = {}
    for manifest in manifests:
        for file in manifest.files:
            key = (path_of(store, file), file.sha256, file.size)
            users.setdefault(key, []).append((manifest, file))
    return users


def _check_file(store: ModelStore, path: Path, users: Users) -> Iterator[Finding]:
    manifests = [*{manifest.name: manifest for manifest, _ in users}.values()]
    file = users[0][1]
    names = ", ".join(manifest.name for manifest in manifests)
    try:
        if _is_intact(path, file.sha256, file.size):
            return
    except PathUnreadable as error:
        yield Finding("problem", path, f"{names}: {phrase(error)}.")
        return
    except _GONE:
        return  # `check_files` has found this, or a server has just replaced the file
    reason = f"{names}: the content of {file.name} does not match its SHA-256."
    if file.path is not UNSET:
        again = ", ".join(repr(manifest.name) for manifest in manifests)
        advice = f'Register {again} again with "overwrite": true.'
        yield Finding("problem", path, reason, advice)
        return
    # Neither registers nor pulls replace a blob with the right size.
    advice = f"After the repair, {' or '.join(dict.fromkeys(map(restoring, manifests)))}."
    yield Finding(
        "problem",
        path,
        reason,
        advice if len(manifests) == 1 else f"{advice} This restores the file for all of them.",
        Repair(partial(_remove_blob, store, file.sha256)),
        file.size,
        needs_user=True,
    )


def _is_intact(path: Path, sha256: str, size: int) -> bool:
    """Return whether a file has a content. Files of another size are left to other checks."""
    source = source_file(path)
    return source.size != size or sha256_of(source) == sha256


def _remove_blob(store: ModelStore, sha256: str, record: Path | None = None) -> int:
    """Remove a blob and the `record` of its conversion, unless its content is right by now."""
    with suppress(FileNotFound):  # it was removed meanwhile
        source = source_file(store.blobs.path(sha256))
        if sha256_of(source) == sha256:
            return 0
        with store.locked():
            if source_file(source.path) == source:  # else a pull has replaced it meanwhile
                freed = store.blobs.remove([sha256])
                return freed if record is None else freed + remove(record)
    return 0


def _check_conversion(store: ModelStore, path: Path, record: Conversion) -> Iterator[Finding]:
    blob = store.blobs.path(record.sha256)
    try:
        if _is_intact(blob, record.sha256, record.size):
            return
    except PathUnreadable as error:
        yield Finding("problem", blob, f"{phrase(error)}.")
        return
    except _GONE:
        return  # `check_conversions` has found this
    yield Finding(
        "problem",
        blob,
        "The content of this converted model does not match its SHA-256. Without it, the next load "
        "converts the model again.",
        repair=Repair(partial(_remove_blob, store, record.sha256, path)),
        size=record.size,
    )
