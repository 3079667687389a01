"""Store files by content as ``blobs/sha256-<hex>``, shared by all models.

A file is copied to a temporary file beside the blobs and hashed meanwhile. Renaming it makes it a
blob. The rename happens under the store's lock, together with writing the manifest that refers to
the blob, so a blob is always complete, and a blob without a manifest is garbage. The writer of a
temporary file holds a lock on it that ends with its process. A temporary file without a lock was
left by a crash.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from filelock import FileLock

from ..contract.errors import InsufficientDisk
from .files import (
    TEMPORARY_PREFIX,
    SourceFile,
    chunks,
    opened,
    sha256_of,
    sync_directory,
    temporary_path,
)

if sys.platform != "win32":
    import fcntl

#: Directory of the blobs, relative to the home of the store.
BLOBS = Path("models/blobs")

BLOB_PREFIX = "sha256-"
PARTIAL_PREFIX = "partial-"

#: Bytes that stay free on the disk, so that the notebook server can still save notebooks.
HEADROOM = 256 << 20

_FICLONE = 0x40049409  # _IOW(0x94, 9, int) of linux/fs.h: share the blocks of another file
_CANNOT_CLONE = {
    errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM,
}  # fmt: skip


@dataclass(frozen=True)
class Incoming:
    """A complete and hashed copy of a file, ready to become a blob.

    Attributes
    ----------
    source : SourceFile
    sha256 : str
    temporary : Path or None
        The copy; None if a blob with this content already existed.
    """

    source: SourceFile
    sha256: str
    temporary: Path | None


class BlobStore:
    """The directory of blobs."""

    def __init__(self, directory: Path, lock: FileLock) -> None:
        self._directory = directory
        self._lock = lock

    def path(self, sha256: str) -> Path:
        return self._directory / f"{BLOB_PREFIX}{sha256}"

    @contextmanager
    def import_files(self, sources: Sequence[SourceFile]) -> Iterator[list[Incoming]]:
        """Copy files to temporary files, for `adopt` to make them blobs within the context.

        On exit, the remaining temporary files are removed. If the file system supports reflinks, a
        copy shares its blocks with the source and takes no space.

        Raises
        ------
        InsufficientDisk
            If the files do not fit on the disk; raised before the copy begins.
        FileChanged, FileNotFound, PathUnreadable
            If a source cannot be read, or changes while it is read.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            incoming = []
            for index, source in enumerate(sources):
                sha256 = self._existing(source)
                temporary = None
                if sha256 is None:
                    temporary = stack.enter_context(self.temporary())
                    left = sum(later.size for later in sources[index:])
                    sha256 = self._copy(source, temporary, left)
                incoming.append(Incoming(source, sha256, temporary))
            yield incoming

    def adopt(self, incoming: Incoming) -> None:
        """Make an imported file a blob. The caller holds the store's lock.

        Raises
        ------
        InsufficientDisk, FileChanged, FileNotFound, PathUnreadable
            If a blob with this content existed during the import, was removed since, and the file
            cannot be copied now.
        """
        blob = self.path(incoming.sha256)
        if incoming.temporary is not None:
            incoming.temporary.replace(blob)
        elif not blob.exists():
            with self.temporary() as temporary:
                self._copy(incoming.source, temporary, incoming.source.size)
                temporary.replace(blob)
        sync_directory(self._directory)

    def adopt_file(self, path: Path, sha256: str) -> None:
        """Make a file on the same volume a blob. The caller holds the store's lock.

        The file is complete, hashed and synced. A missing file is ignored, because another process
        may have made it a blob.
        """
        blob = self.path(sha256)
        if path != blob and path.exists():
            path.replace(blob)
            path.unlink(missing_ok=True)  # a rename does not remove a hard link to the same file
            sync_directory(self._directory)

    def remove(self, sha256s: Collection[str]) -> int:
        """Remove blobs and return the bytes freed. The caller holds the store's lock."""
        freed = 0
        for path in map(self.path, sha256s):
            if path.exists():
                freed += path.stat().st_size
                path.unlink()
        if freed:
            sync_directory(self._directory)
        return freed

    def orphans(self, named: Collection[str]) -> list[Path]:
        """Return the blobs that are not in `named`. The caller holds the store's lock."""
        keep = {f"{BLOB_PREFIX}{sha256}" for sha256 in named}
        return [path for path in self._paths(BLOB_PREFIX) if path.name not in keep]

    def partials(self) -> list[Path]:
        """Return the incomplete downloads. The caller holds the store's lock."""
        return self._paths(PARTIAL_PREFIX)

    def abandoned(self) -> list[Path]:
        """Return the temporary files without a writer. The caller holds the store's lock."""
        return [path for path in self._paths(TEMPORARY_PREFIX) if not _has_writer(path)]

    def _paths(self, prefix: str) -> list[Path]:
        return sorted(self._directory.glob(f"{prefix}*"))

    def _existing(self, source: SourceFile) -> str | None:
        """Return the hash of `source` if there is a blob with its content, else None.

        The file is read only if a blob has the same size.
        """
        if all(blob.stat().st_size != source.size for blob in self._paths(BLOB_PREFIX)):
            return None
        sha256 = sha256_of(source)
        blob = self.path(sha256)
        return sha256 if blob.exists() and blob.stat().st_size == source.size else None

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Create an empty file beside the blobs, and remove it on exit unless it was renamed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = temporary_path(self._directory)
        with ExitStack() as stack:
            with self._lock:  # keep garbage collection from finding the file before it is locked
                path.touch(exist_ok=False)
                stack.callback(path.unlink, missing_ok=True)
                stack.enter_context(_locked(path))
            yield path

    def _copy(self, source: SourceFile, target: Path, left: int) -> str:
        """Copy `source` to `target` and return its hash.

        `left` is the number of bytes still to copy, including this file.
        """
        with target.open("r+b", buffering=0) as file:
            if clone(source, file):
                sha256 = sha256_of(source)
            else:
                self.check_space(left, "The copy", "register without copy")
                sha256 = copy_hashing(source, file)
            os.fsync(file.fileno())
        return sha256

    def check_space(self, needed: int, what: str, otherwise: str) -> None:
        """Check that `needed` bytes fit on the disk and leave `HEADROOM` free.

        Parameters
        ----------
        needed : int
        what : str
            What needs the space, as the subject of the message.
        otherwise : str
            What to do instead of freeing space.

        Raises
        ------
        InsufficientDisk
            If they do not fit.
        """
        free = shutil.disk_usage(self._directory).free
        if needed + HEADROOM > free:
            raise InsufficientDisk(
                f"{what} needs {needed:,} bytes, and {HEADROOM:,} more must stay free, but the "
                f"disk of {self._directory} has {free:,} bytes free. Free some space, or "
                f"{otherwise}."
            )


def copy_hashing(source: SourceFile, target: FileIO) -> str:
    """Copy `source` to an open file and return the hex SHA-256 of the copied bytes."""
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[target.write(rest) :]
    return digest.hexdigest()


def clone(source: SourceFile, target: FileIO) -> bool:
    """Make `target` share the blocks of `source` (a reflink); return False if unsupported."""
    if sys.platform != "linux":
        return False
    with opened(source) as file:
        try:
            fcntl.ioctl(target, _FICLONE, file.fileno())
        except OSError as error:
            if error.errno in _CANNOT_CLONE:
                return False
            raise
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on a temporary file; the operating system releases it if the process exits."""
    if sys.platform == "win32":
        yield
        return
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _has_writer(path: Path) -> bool:
    if sys.platform == "win32":  # no flock: assume that a file is written within a day
        return time.time() - path.stat().st_mtime < 24 * 3600
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
