"""Compare the content of files with their SHA-256. This reads all files of models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..contract.errors import FileChanged, FileNotFound, NotAFile, PathUnreadable
from ..store.conversions import Conversion
from ..store.files import sha256_of, source_file
from ..store.model_store import ModelStore
from ..store.stored_files import as_sentence
from .finding import Finding, Repair, phrase, remove
from .usage import WORDING, UsedFile, used_files

#: Errors of files that other checks find, or that another process changes meanwhile.
_GONE = (FileNotFound, NotAFile, FileChanged)

#: What is added to the advice for a blob that several models use.
FOR_ALL = " This restores the file for all of them."


def check_contents(store: ModelStore) -> Iterator[Finding]:
    """Find files with a content that is not the registered one, or that cannot be read."""
    manifests = store.list()
    for used in used_files(store, manifests):
        yield from _check_file(store, used)
    records, _ = store.conversions.partition(manifests)
    for path, record in records.items():
        if record.refused is None and not record.is_newer:
            yield from _check_conversion(store, path, record)


def _check_file(store: ModelStore, used: UsedFile) -> Iterator[Finding]:
    path, file = used.path, used.file
    try:
        if _is_intact(path, file.sha256, file.size):
            return
    except PathUnreadable as error:
        yield Finding("problem", path, f"{used.names}: {phrase(error)}.")
        return
    except _GONE:
        return  # `check_files` has found this, or a server has just replaced the file
    reason = f"{used.names}: the content of {file.name} does not match its SHA-256."
    if not used.is_blob:
        again = ", and ".join(map(WORDING.replace, used.manifests))
        yield Finding("problem", path, reason, as_sentence(again))
        return
    # Registrations, and pulls without `force`, do not replace a blob with the right size.
    yield Finding(
        "problem",
        path,
        reason,
        f"After the repair, {', or '.join(used.ways)}.{FOR_ALL if used.manifests[1:] else ''}",
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
