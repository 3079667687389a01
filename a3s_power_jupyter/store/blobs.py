"""Weights by content: ``blobs/sha256-<hex>``, once each, whoever uses them.

A file is brought in as a temporary beside the blobs, hashed while it is written, and becomes
a blob by a rename under the store's lock, in the same locked section that writes the manifest
that names it. So a blob is whole from the moment it has its name, and a blob that nobody
names is garbage. The writer of a temporary holds a lock on it that ends with its process:
a temporary without one was left by a crash.
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

#: The directory, in the home of the store.
BLOBS = Path("models/blobs")

BLOB_PREFIX = "sha256-"
PARTIAL_PREFIX = "partial-"

#: Bytes left free on the disk: a full one stops the notebook server from saving.
HEADROOM = 256 << 20

_FICLONE = 0x40049409  # ioctl of Linux that shares blocks: _IOW(0x94, 9, int), linux/fs.h
_CANNOT_CLONE = {
    errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM,
}  # fmt: skip


@dataclass(frozen=True)
class Incoming:
    """A file on its way to become a blob: whole, hashed, and under a temporary name.

    `temporary` is None where a blob of the same content was there already.
    """

    source: SourceFile
    sha256: str
    temporary: Path | None


class BlobStore:
    """The directory of blobs. Methods that say so need the store's lock held."""

    def __init__(self, directory: Path, lock: FileLock) -> None:
        self._directory = directory
        self._lock = lock

    def path(self, sha256: str) -> Path:
        return self._directory / f"{BLOB_PREFIX}{sha256}"

    @contextmanager
    def stage(self, sources: Sequence[SourceFile]) -> Iterator[list[Incoming]]:
        """Copy `sources` beside the blobs; inside the context, `adopt` makes them blobs.

        What was not adopted when the context ends is removed. Where the file system can, a
        copy shares its blocks with the source and takes no space.

        Raises
        ------
        InsufficientDisk
            Before the first byte is copied that would not fit.
        FileChanged, FileNotFound, PathUnreadable
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            incoming = []
            for index, source in enumerate(sources):
                sha256 = self._known(source)
                temporary = None
                if sha256 is None:
                    temporary = stack.enter_context(self.temporary())
                    left = sum(later.size for later in sources[index:])
                    sha256 = self._copy(source, temporary, left)
                incoming.append(Incoming(source, sha256, temporary))
            yield incoming

    def adopt(self, incoming: Incoming) -> None:
        """Make a blob of what was brought in. With the lock held.

        Raises
        ------
        InsufficientDisk, FileChanged, FileNotFound, PathUnreadable
            Only if a blob of the same content, there when we looked, was removed since.
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
        """Make a blob of a file on the same volume, which is whole, hashed and synced; where it
        is gone, another process may have done so. With the lock held."""
        blob = self.path(sha256)
        if path != blob and path.exists():
            path.replace(blob)
            path.unlink(missing_ok=True)  # a link to the very blob is not moved by a rename
            sync_directory(self._directory)

    def remove(self, sha256s: Collection[str]) -> int:
        """Remove blobs, and say how many bytes that freed. With the lock held."""
        freed = 0
        for path in map(self.path, sha256s):
            if path.exists():
                freed += path.stat().st_size
                path.unlink()
        if freed:
            sync_directory(self._directory)
        return freed

    def orphans(self, named: Collection[str]) -> list[Path]:
        """Blobs that are not among `named`. With the lock held."""
        keep = {f"{BLOB_PREFIX}{sha256}" for sha256 in named}
        return [path for path in self._paths(BLOB_PREFIX) if path.name not in keep]

    def partials(self) -> list[Path]:
        """Downloads that are not complete. With the lock held."""
        return self._paths(PARTIAL_PREFIX)

    def abandoned(self) -> list[Path]:
        """Temporaries whose writer is gone. With the lock held."""
        return [path for path in self._paths(TEMPORARY_PREFIX) if not _has_writer(path)]

    def _paths(self, prefix: str) -> list[Path]:
        return sorted(self._directory.glob(f"{prefix}*"))

    def _known(self, source: SourceFile) -> str | None:
        """The hash of `source` if a blob has its content; read only if one has its size."""
        if all(blob.stat().st_size != source.size for blob in self._paths(BLOB_PREFIX)):
            return None
        sha256 = sha256_of(source)
        blob = self.path(sha256)
        return sha256 if blob.exists() and blob.stat().st_size == source.size else None

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """An empty file beside the blobs, removed when the context ends unless it was taken; one
        that a crash leaves behind is garbage."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = temporary_path(self._directory)
        with ExitStack() as stack:
            with self._lock:  # or garbage collection could find it before it is claimed
                path.touch(exist_ok=False)
                stack.callback(path.unlink, missing_ok=True)
                stack.enter_context(_claimed(path))
            yield path

    def _copy(self, source: SourceFile, target: Path, left: int) -> str:
        """Write `source` to `target` and say its hash; `left` bytes are to come, it included."""
        with target.open("r+b", buffering=0) as file:
            if clone(source, file):
                sha256 = sha256_of(source)
            else:
                self.check_space(left, "The copy", "register without copy")
                sha256 = copy_hashing(source, file)
            os.fsync(file.fileno())
        return sha256

    def check_space(self, needed: int, what: str, otherwise: str) -> None:
        """Raises `InsufficientDisk`, with the numbers, where `needed` bytes would fill the disk."""
        free = shutil.disk_usage(self._directory).free
        if needed + HEADROOM > free:
            raise InsufficientDisk(
                f"{what} needs {needed:,} bytes, with {HEADROOM:,} more to stay free, and the "
                f"disk of {self._directory} has {free:,}. Free some, or {otherwise}."
            )


def copy_hashing(source: SourceFile, target: FileIO) -> str:
    """Copy `source` to an open file and return the hex SHA-256 of what went there."""
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[target.write(rest) :]
    return digest.hexdigest()


def clone(source: SourceFile, target: FileIO) -> bool:
    """Let `target` share the blocks of `source`; False where the file system cannot."""
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
def _claimed(path: Path) -> Iterator[None]:
    """Hold a lock on a temporary, which the system drops when this process ends."""
    if sys.platform == "win32":
        yield
        return
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _has_writer(path: Path) -> bool:
    if sys.platform == "win32":  # no such locks there: a writer is taken to be done in a day
        return time.time() - path.stat().st_mtime < 24 * 3600
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
