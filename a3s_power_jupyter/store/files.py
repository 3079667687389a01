"""Read the user's files safely, and write the store's files atomically."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

from msgspec import UNSET, UnsetType

from ..contract.errors import (
    FileChanged,
    FileNotFound,
    InvalidParameter,
    NotADirectory,
)
from ..contract.regular_file import check_regular, open_regular
from ..contract.text import quoted
from .directories import make_directory, sync_directory
from .os_errors import reading
from .work import Work

#: Bytes per read, large enough that SHA-256 and not the system calls limit the speed.
CHUNK = 4 * 1024 * 1024

#: Threads that compute hashes at once, so that the event loop gets its share of the processor.
MAX_HASHING = 2
_hashing = threading.BoundedSemaphore(MAX_HASHING)

TEMPORARY_PREFIX = "tmp-"

_SHA256 = re.compile(r"[0-9a-f]{64}")

#: Only the owner has access to what is created in the store: names of models, URLs of upstreams and
#: weights of private repositories. Files that exist keep their mode.
FILE_MODE = 0o600


@dataclass(frozen=True)
class SourceFile:
    """A regular file, with its size and modification time when it was first examined.

    Attributes
    ----------
    name : str
        Path in the model, with slashes.
    path : Path
        Absolute path. Symbolic links are not resolved, because shards are found by their names.
    size : int
        Bytes.
    mtime_ns : int
        Modification time.
    role : {"mmproj"}
        As in `StoredFile`.
    """

    name: str
    path: Path
    size: int
    mtime_ns: int
    role: Literal["mmproj"] | UnsetType = UNSET


def user_path(text: str) -> Path:
    """Return the absolute path that a user wrote, with ``~`` expanded.

    Raises
    ------
    InvalidParameter
        If the path is relative: the server does not run in the caller's working directory.
    """
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises for an unknown user
    if not _is_text(expanded) or "\0" in expanded:
        raise InvalidParameter("The path contains invalid characters.", param="path")
    if not Path(expanded).is_absolute():
        raise InvalidParameter(
            f"The path {quoted(text)} is relative, but the server runs in another directory. Use "
            "an absolute path, or one that starts with ~.",
            param="path",
        )
    return Path(expanded)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def source_file(path: Path, name: str | None = None) -> SourceFile:
    """Describe the regular file at `path` without opening it.

    Raises
    ------
    FileNotFound
        If it does not exist.
    NotAFile
        If it is a directory, a pipe or a device.
    PathUnreadable
        If the operating system refuses access.
    """
    if "\0" in str(path):  # in a manifest of another program or user
        raise FileNotFound(f"{quoted(str(path))} does not exist on the server.", param="path")
    with reading(path):
        status = path.stat()
    check_regular(path, status.st_mode)
    return SourceFile(name or path.name, path, status.st_size, status.st_mtime_ns)


def file_size(path: Path) -> int | None:
    """Return the size of a regular file in bytes, or None if there is none at `path`."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None  # links that lead in a circle
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def check_directory(path: Path) -> None:
    """Check that `path` is a directory.

    Raises
    ------
    FileNotFound, NotADirectory, PathUnreadable
        If it does not exist, is not a directory, or access is refused.
    """
    with reading(path):
        status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectory(
            f"{path} is a file. This format needs a directory with config.json, a tokenizer and "
            "safetensors weights.",
            param="path",
        )


@contextmanager
def opened(source: SourceFile) -> Iterator[FileIO]:
    """Open a file for reading, and check before and after that it has not changed.

    Raises
    ------
    FileChanged
        If the file was replaced or written to since it was first examined.
    FileNotFound, NotAFile, PathUnreadable
        If it cannot be read.
    """
    with reading(source.path):
        descriptor = open_regular(source.path)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            _check_unchanged(source, os.fstat(descriptor))
            yield file
            _check_unchanged(source, os.fstat(descriptor))


def _check_unchanged(source: SourceFile, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
        raise _changed(source)


def _changed(source: SourceFile) -> FileChanged:
    return FileChanged(
        f"{source.path} changed while it was being read. Try again once it is complete.",
        param="path",
    )


def chunks(source: SourceFile, work: Work | None = None) -> Iterator[bytes]:
    """Yield the content of a file in chunks of at most `CHUNK` bytes.

    Not more than the size of the file is read, because some files of ``/proc`` do not end.

    Raises
    ------
    FileChanged, FileNotFound, NotAFile, PathUnreadable
        If the file changes or cannot be read; see `opened`.
    WorkStopped
        If `work` was stopped.
    """
    with opened(source) as file:
        left = source.size
        while left:
            if work is not None:
                work.proceed()
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                raise _changed(source)
            left -= len(chunk)
            yield chunk


def sha256_of(source: SourceFile, work: Work | None = None) -> str:
    """Return the hex SHA-256 of a file. Raises as `chunks` does."""
    digest = hashlib.sha256()
    for chunk in chunks(source, work):
        update_digest(digest, chunk)
    return digest.hexdigest()


def update_digest(digest: hashlib._Hash, chunk: bytes) -> None:
    """Add a chunk to a digest, in at most `MAX_HASHING` threads at once."""
    with _hashing:
        digest.update(chunk)


def is_sha256(text: str) -> bool:
    """Return whether `text` is a hex SHA-256 as the store writes it."""
    return _SHA256.fullmatch(text) is not None


def temporary_path(directory: Path) -> Path:
    """Return an unused path in `directory`, so that a later rename stays on one volume."""
    return directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def create_file(path: Path) -> int:
    """Create a file for this user only, and return a descriptor for reading and writing.

    Raises
    ------
    FileExistsError
        If it exists.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, FILE_MODE)
    if sys.platform != "win32":
        os.fchmod(descriptor, FILE_MODE)  # regardless of the umask
    return descriptor


def write_atomically(path: Path, data: bytes, *, keep_mode: bool = False) -> None:
    """Write `data` to `path`. After a crash, the file has either the old or the new content.

    Parameters
    ----------
    keep_mode : bool
        Whether everybody who may read a file that is replaced may read the new one.
    """
    make_directory(path.parent)
    temporary = temporary_path(path.parent)
    try:
        with os.fdopen(create_file(temporary), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep_mode:
            with suppress(FileNotFoundError):
                temporary.chmod(FILE_MODE | path.stat().st_mode & 0o044)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
