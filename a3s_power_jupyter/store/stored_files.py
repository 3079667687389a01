"""Hash model files when they are registered, and find and check them later."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import UNSET

from ..contract.errors import FileChanged, FileNotFound
from ..contract.types import Manifest, StoredFile
from .blobs import BLOBS, BlobStore
from .files import SourceFile, file_size, sha256_of, source_file
from .manifest import content
from .os_errors import reading
from .wording import RequestWording
from .work import Work

#: How errors of the server say to register or pull a model again.
IN_REQUESTS = RequestWording()


def paths_of(
    manifest: Manifest, blobs: BlobStore, wording: RequestWording = IN_REQUESTS
) -> list[Path]:
    """Return the paths of a model's files in order, after checking that they are unchanged.

    Parameters
    ----------
    wording : RequestWording
        How errors say to register or pull the model again.

    Raises
    ------
    FileNotFound
        If a file or blob does not exist.
    FileChanged
        If a blob has another size than when it was stored, or the size or modification time of a
        file has changed since its registration.
    NotAFile, PathUnreadable
        If a file cannot be read.
    """
    return [_path_of(file, manifest, blobs, wording) for file in manifest.files]


def restoring(manifest: Manifest, wording: RequestWording = IN_REQUESTS) -> str:
    """Return how to get the files of a model back into the store, as a clause: ``pull 'a' again``.

    Models of a shared home are restored by others.
    """
    source = manifest.source
    if source.shared_home is not UNSET:
        return f"tell the administrator of the shared home {source.shared_home}"
    if source.reference is not UNSET:
        return wording.pull(source.reference)
    return wording.register(manifest, "copy")


def as_sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def _path_of(
    file: StoredFile, manifest: Manifest, blobs: BlobStore, wording: RequestWording
) -> Path:
    restore = restoring(manifest, wording)
    if file.path is UNSET:
        return _checked_blob(blobs.path(file.sha256), file, restore)
    path = Path(file.path)
    shared = manifest.source.shared_home
    if shared is not UNSET and path.is_relative_to(Path(shared) / BLOBS):
        _checked_blob(path, file, restore)
    try:
        source = source_file(path)
    except FileNotFound as error:
        raise FileNotFound(
            f"{error.message} It was registered in place, and was moved or deleted since. Pull or "
            "register the model again, or delete it here.",
            param=error.param,
        ) from None
    if (source.size, source.mtime_ns) != (file.size, file.mtime_ns):
        raise FileChanged(
            f"{file.path} changed after it was registered. To use its new content, "
            f"{wording.replace(manifest)}."
        )
    return source.path


def _checked_blob(path: Path, file: StoredFile, restore: str) -> Path:
    with reading(path):
        size = file_size(path)
    if size == file.size:
        return path
    advice = as_sentence(restore)
    if size is None and path.is_dir():
        raise FileNotFound(
            f"A directory is in place of the file {file.name} in the store ({path}). Remove the "
            f"directory, then {restore}."
        )
    if size is None:
        raise FileNotFound(f"The file {file.name} is missing in the store ({path}). {advice}")
    raise FileChanged(
        f"The file {file.name} in the store ({path}) has the wrong size: it has {size:,} bytes, "
        f"and should have {file.size:,}. {advice}"
    )


def can_stay(old: Manifest, new: Manifest, blobs: BlobStore) -> bool:
    """Return whether the manifest `old` of a model can be kept instead of `new`.

    It must have the same content, its files must exist unchanged, and paths registered in place
    must be the same.
    """
    if content(old) != content(new):
        return False
    in_place = any(file.path is not UNSET for file in old.files)
    if in_place and old.files != new.files:
        return False
    try:
        paths_of(old, blobs)
    except (FileNotFound, FileChanged):
        return False  # the new registration restores a missing blob
    return True


def registered_in_place(
    source: SourceFile, known: Iterable[Manifest], work: Work | None = None
) -> StoredFile:
    """Return the entry of a file that stays in place, with the hash in `known` or a new one.

    Raises
    ------
    FileChanged, FileNotFound, PathUnreadable
        If the file cannot be read, or changes while it is read.
    WorkStopped
        If `work` was stopped.
    """
    return StoredFile(
        name=source.name,
        size=source.size,
        sha256=_known_hash(source, known) or sha256_of(source, work),
        path=str(source.path),
        mtime_ns=source.mtime_ns,
        role=source.role,
    )


def _known_hash(source: SourceFile, known: Iterable[Manifest]) -> str | None:
    for manifest in known:
        # A file modified in the second it was hashed may have changed again without a new
        # modification time: the resolution of file times is coarser than a write.
        if source.mtime_ns >= manifest.created * 10**9:
            continue
        for file in manifest.files:
            if (
                file.path is not UNSET
                and (file.size, file.mtime_ns) == (source.size, source.mtime_ns)
                and Path(file.path).resolve() == source.path.resolve()
            ):
                return file.sha256
    return None
