"""Check manifests, the files of models, and the records of conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from ..contract.errors import FileChanged, FileNotFound, InvalidModelName, PowerError
from ..contract.parameters import DefaultParameters
from ..store.a3s_power import A3SManifest
from ..store.blobs import BLOB_PREFIX, BLOBS, PARTIAL_PREFIX
from ..store.conversions import CONVERSIONS, Conversion, is_record
from ..store.files import TEMPORARY_PREFIX, file_size, is_sha256
from ..store.manifest import MANIFESTS, Unreadable
from ..store.model_store import ModelStore
from ..store.names import SUFFIX, check_name
from ..store.stored_files import paths_of
from .contents import FOR_ALL
from .finding import Finding, Repair, foreign, is_there, remove
from .usage import WORDING, UsedFile, used_files

_PULL_AGAIN = "Pull or register the model again, or delete it."


def check_manifests(store: ModelStore) -> Iterator[Finding]:
    """Find manifests that cannot be read, and other files among them."""
    folder = store.home / MANIFESTS
    for bad in store.snapshot().unreadable:
        yield _unreadable(store, folder / bad.file, bad)
    yield from _foreign(folder, lambda path: path.name.endswith(SUFFIX))


def _unreadable(store: ModelStore, path: Path, bad: Unreadable) -> Finding:
    reason = f"The manifest cannot be read: {bad.reason}."
    if bad.is_newer:
        return Finding("problem", path, reason, "The file is left alone.")
    if bad.other is not None and bad.other.format not in ("gguf", "remote"):
        return Finding(
            "problem",
            path,
            reason,
            repair=Repair(
                partial(_register, store, bad.other),
                "hash the files of the model and register it in place",
                "The files of the model were hashed, and it was registered in place.",
            ),
        )
    return Finding("problem", path, reason, _advice(bad))


def _advice(bad: Unreadable) -> str:
    if bad.cause == "duplicate":
        return "Remove one of the two files."
    if bad.cause != "content":
        return "Make it a file that this user can read, or remove it."
    if bad.name is None:
        return "It does not say which model it describes. Restore it from a backup, or remove it."
    if not _is_possible(bad.name):
        return "No model can have its name. Restore it from a backup, or remove it."
    return (
        f"Register {bad.name!r} again (%power register {bad.name} PATH --overwrite), pull it "
        f"again, or delete it (%power rm {bad.name})."
    )


def _is_possible(name: str) -> bool:
    try:
        check_name(name)
    except InvalidModelName:
        return False
    return True


def _register(store: ModelStore, other: A3SManifest) -> int:
    store.register(other.registration(), DefaultParameters())
    return 0


def check_files(store: ModelStore) -> Iterator[Finding]:
    """Find files of models that are missing, have changed, or cannot be read."""
    for used in used_files(store, store.list()):
        one = msgspec.structs.replace(used.manifests[0], files=(used.file,))
        try:
            paths_of(one, store.blobs, WORDING)
        except (FileNotFound, FileChanged) as error:
            reason = f"{used.names}: {error.message}"
            yield Finding("problem", used.path, reason, _other_ways(used))
        except PowerError as error:
            yield Finding("problem", used.path, f"{used.names}: {error.message}", _PULL_AGAIN)


def _other_ways(used: UsedFile) -> str:
    """Return the ways to restore a blob that the error for the first model does not have."""
    others = used.ways[1:] if used.is_blob else []
    return f"Or {', or '.join(others)}.{FOR_ALL}" if others else ""


def check_blobs(store: ModelStore) -> Iterator[Finding]:
    """Find what is among the blobs and is not ours. Unused blobs are garbage."""
    used = {file.sha256 for manifest in store.list() for file in manifest.files}

    def is_ours(path: Path) -> bool:
        prefix = next((p for p in (BLOB_PREFIX, PARTIAL_PREFIX) if path.name.startswith(p)), "")
        key = path.name.removeprefix(prefix)
        if prefix == BLOB_PREFIX and key in used:
            return True  # `check_files` says what is wrong with it
        return prefix != "" and is_sha256(key) and file_size(path) is not None

    yield from _foreign(store.home / BLOBS, is_ours)


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
                repair=Repair(
                    partial(_remove_conversion, store, path, record),
                    "remove the record",
                    "The record was removed.",
                ),
            )
    yield from _foreign(store.home / CONVERSIONS, is_record)


def _lacks_result(store: ModelStore, record: Conversion) -> bool:
    return file_size(store.blobs.path(record.sha256)) != record.size


def _remove_conversion(store: ModelStore, path: Path, record: Conversion) -> int:
    with store.locked():
        if store.conversions.get(path.stem) == record and _lacks_result(store, record):
            return remove(path)
    return 0


def _foreign(folder: Path, is_ours: Callable[[Path], bool]) -> Iterator[Finding]:
    """Find what this package does not write. It is left alone."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(TEMPORARY_PREFIX) and not is_ours(path) and is_there(path):
            yield foreign(path)
