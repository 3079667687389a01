"""Store files under the hashes of their contents, as ``blobs/sha256-<hex>`` shared by all models.

A file is copied to a temporary file next to the blobs, hashed on the way, and then renamed. The
rename happens under the store's lock, together with writing the manifest that refers to the blob,
so a blob is always complete, and a blob without a manifest is garbage. The writer of a temporary
file holds a lock on it, which the operating system releases when the process exits. A temporary
file without a lock was therefore left by a crash.
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

from ..contract.errors import InsufficientDisk, NotAFile
from ..contract.regular_file import open_regular
from ..contract.types import StoredFile
from .directories import make_directory, sync_directory
from .files import (
    TEMPORARY_PREFIX,
    SourceFile,
    chunks,
    create_file,
    file_size,
    is_sha256,
    opened,
    sha256_of,
    temporary_path,
    update_digest,
)
from .work import Work

if sys.platform != "win32":
    import fcntl

#: Directory of the blobs, relative to the home of the store.
BLOBS = Path("models/blobs")

BLOB_PREFIX = "sha256-"
PARTIAL_PREFIX = "partial-"

#: Bytes to leave free on the disk, so that notebooks can still be saved.
HEADROOM = 256 << 20

#: Bytes of a copy between two writes to the disk. Otherwise the last one would take minutes.
SYNC_INTERVAL = 64 << 20

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
        The original.
    sha256 : str
        Hex digest of the content.
    temporary : Path or None
        The copy; None if a blob with this content already existed.
    """

    source: SourceFile
    sha256: str
    temporary: Path | None

    @property
    def stored(self) -> StoredFile:
        return StoredFile(self.source.name, self.source.size, self.sha256, role=self.source.role)


class BlobStore:
    """The directory of blobs."""

    def __init__(self, directory: Path, lock: FileLock) -> None:
        self._directory = directory
        self._lock = lock

    def path(self, sha256: str) -> Path:
        return self._directory / f"{BLOB_PREFIX}{sha256}"

    @contextmanager
    def import_files(
        self, sources: Sequence[SourceFile], work: Work | None = None
    ) -> Iterator[list[Incoming]]:
        """Copy files to temporary files, which `adopt` turns into blobs within the context.

        The remaining temporary files are removed on exit. If the file system supports reflinks, a
        copy shares its blocks with the source and takes no space.

        Raises
        ------
        InsufficientDisk
            If the files do not fit on the disk; raised before the first byte is copied.
        FileChanged, FileNotFound, NotAFile, PathUnreadable
            If a source cannot be read, or changes while it is read.
        WorkStopped
            If `work` was stopped.
        """
        make_directory(self._directory)
        with ExitStack() as stack:
            incoming = []
            for index, source in enumerate(sources):
                sha256 = self._existing(source, work)
                temporary = None
                if sha256 is None:
                    temporary = stack.enter_context(self.temporary())
                    left = sum(later.size for later in sources[index:])
                    sha256 = self._copy(source, temporary, left, work)
                incoming.append(Incoming(source, sha256, temporary))
            yield incoming

    def adopt(self, incoming: Incoming) -> None:
        """Turn an imported file into a blob. The caller must hold the store's lock."""
        if incoming.temporary is not None:
            incoming.temporary.replace(self.path(incoming.sha256))
            sync_directory(self._directory)

    def has(self, incoming: Incoming) -> bool:
        """Return whether `adopt` can turn an imported file into a blob.

        False if the import found a blob with its content that was removed since.
        """
        return incoming.temporary is not None or file_size(self.path(incoming.sha256)) is not None

    def adopt_file(self, path: Path, sha256: str) -> None:
        """Turn a file on the same volume into a blob. The caller must hold the store's lock.

        The file must be complete and synced. A missing file is ignored, because another process may
        have turned it into a blob.
        """
        blob = self.path(sha256)
        if path != blob and file_size(path) is not None:
            path.replace(blob)
            path.unlink(missing_ok=True)  # a rename does not remove a hard link to the same file
            sync_directory(self._directory)

    def remove(self, sha256s: Collection[str]) -> int:
        """Remove blobs and return the bytes freed. The caller must hold the store's lock."""
        freed = 0
        for path in map(self.path, sha256s):
            if (size := file_size(path)) is not None:
                freed += size
                path.unlink()
        if freed:
            sync_directory(self._directory)
        return freed

    def orphans(self, referenced: Collection[str]) -> list[Path]:
        """Return the blobs that are not in `referenced`. The caller must hold the store's lock."""
        keep = {f"{BLOB_PREFIX}{sha256}" for sha256 in referenced}
        return [path for path in self._hashed(BLOB_PREFIX) if path.name not in keep]

    def partials(self) -> list[Path]:
        """Return the incomplete downloads. The caller must hold the store's lock."""
        return self._hashed(PARTIAL_PREFIX)

    def abandoned(self) -> list[Path]:
        """Return the temporary files without a writer. The caller must hold the store's lock."""
        temporaries = sorted(self._directory.glob(f"{TEMPORARY_PREFIX}*"))
        return [path for path in temporaries if not _has_writer(path)]

    def _hashed(self, prefix: str) -> list[Path]:
        """Return the files that are named by a hash, and not a user's copies beside them."""
        paths = sorted(self._directory.glob(f"{prefix}*"))
        return [path for path in paths if is_sha256(path.name.removeprefix(prefix))]

    def _existing(self, source: SourceFile, work: Work | None) -> str | None:
        """Return the hash of `source` if there is a blob with its content, else None.

        The file is hashed only if a blob has the same size.
        """
        if all(file_size(blob) != source.size for blob in self._hashed(BLOB_PREFIX)):
            return None
        sha256 = sha256_of(source, work)
        return sha256 if file_size(self.path(sha256)) == source.size else None

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Create an empty file next to the blobs, and remove it on exit unless it was renamed."""
        make_directory(self._directory)
        path = temporary_path(self._directory)
        with ExitStack() as stack:
            with self._lock:  # keep garbage collection from finding the file before it is locked
                os.close(create_file(path))
                stack.enter_context(_locked(path))
                stack.callback(path.unlink, missing_ok=True)  # before it is unlocked
            yield path

    def _copy(self, source: SourceFile, target: Path, left: int, work: Work | None) -> str:
        """Copy `source` to `target` and return its hash.

        `left` is the number of bytes still to copy, including this file.
        """
        with target.open("r+b", buffering=0) as file:
            if clone(source, file):
                sha256 = sha256_of(source, work)
            else:
                self.check_space(left, "The copy", "register without copy")
                sha256 = copy_hashing(source, file, work)
            os.fsync(file.fileno())
        return sha256

    def check_space(self, needed: int, what: str, otherwise: str) -> None:
        """Check that `needed` bytes fit on the disk and leave `HEADROOM` free.

        Parameters
        ----------
        needed : int
            Bytes.
        what : str
            Subject of the error message, such as ``"The copy"``.
        otherwise : str
            Alternative to freeing space, such as ``"register without copy"``.

        Raises
        ------
        InsufficientDisk
            If there is too little space.
        """
        free = shutil.disk_usage(self._directory).free
        if needed + HEADROOM > free:
            raise InsufficientDisk(
                f"{what} needs {needed:,} bytes, and {HEADROOM:,} more must stay free, but only "
                f"{free:,} bytes are free on the disk of {self._directory}. Free some space, or "
                f"{otherwise}."
            )


def copy_hashing(source: SourceFile, target: FileIO, work: Work | None = None) -> str:
    """Copy `source` to an open file and return the hex SHA-256 of the copied bytes."""
    digest = hashlib.sha256()
    unsynced = 0
    for chunk in chunks(source, work):
        update_digest(digest, chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[target.write(rest) :]
        unsynced += len(chunk)
        if unsynced >= SYNC_INTERVAL:
            os.fsync(target.fileno())
            unsynced = 0
    return digest.hexdigest()


def clone(source: SourceFile, target: FileIO) -> bool:
    """Make `target` share the blocks of `source` (a reflink); return False if unsupported."""
    if sys.platform != "linux":
        return False
    failure: OSError | None = None
    with opened(source) as file:
        try:
            fcntl.ioctl(target, _FICLONE, file.fileno())
        except OSError as error:
            failure = error
    if failure is None:
        return True
    if failure.errno in _CANNOT_CLONE:
        return False
    raise failure  # here, because `opened` takes it for an error of the source


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on a temporary file; the operating system releases it if the process exits."""
    if sys.platform == "win32":
        yield
        return
    with os.fdopen(open_regular(path), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _has_writer(path: Path) -> bool:
    if sys.platform == "win32":  # no flock; assume that writing a file takes less than a day
        return time.time() - path.stat().st_mtime < 24 * 3600
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):  # locked, or just removed by its writer
        return True
    except (NotAFile, PermissionError):  # not a temporary file of the store, or of another user
        return True
    return False
