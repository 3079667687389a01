"""Read the user's files safely, and write the store's files atomically."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
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
    InsufficientDisk,
    InvalidParameter,
    NotADirectory,
    NotAFile,
    PathUnreadable,
    PowerError,
)
from ..contract.text import quoted

#: Bytes per read, large enough that SHA-256 and not the system calls limit the speed.
CHUNK = 4 * 1024 * 1024

TEMPORARY_PREFIX = "tmp-"

#: Only the owner has access to what is created in the store: names of models, URLs of upstreams and
#: weights of private repositories. Files that exist keep their mode.
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


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
    with reading(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise NotAFile(f"{path} is {kind}. Give the path of a model file.", param="path")
    return SourceFile(name or path.name, path, status.st_size, status.st_mtime_ns)


def file_size(path: Path) -> int | None:
    """Return the size of a file in bytes, or None if it does not exist."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


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
def reading(path: Path) -> Iterator[None]:
    """Convert an `OSError` from accessing `path` to a `PowerError`.

    Raises
    ------
    FileNotFound
        If `path` does not exist.
    PathUnreadable
        If it cannot be read for any other reason.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFound(f"{path} does not exist on the server.", param="path") from None
    except OSError as error:
        raise PathUnreadable(
            f"The server cannot read {path}: {error.strerror or error}.", param="path"
        ) from None


@contextmanager
def opened(source: SourceFile) -> Iterator[FileIO]:
    """Open a file for reading, and check before and after that it has not changed.

    Raises
    ------
    FileChanged
        If the file was replaced or written to since it was first examined.
    FileNotFound, PathUnreadable
        If it cannot be read.
    """
    with reading(source.path):
        # O_NONBLOCK: do not block if a pipe has replaced the file.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(source.path, flags)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            _check_unchanged(source, os.fstat(descriptor))
            yield file
            _check_unchanged(source, os.fstat(descriptor))


def _check_unchanged(source: SourceFile, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
        raise FileChanged(
            f"{source.path} changed while it was being read. Try again once it is complete.",
            param="path",
        )


def chunks(source: SourceFile) -> Iterator[bytes]:
    """Yield the content of a file in chunks of `CHUNK` bytes.

    Raises
    ------
    FileChanged, FileNotFound, PathUnreadable
        If the file changes or cannot be read; see `opened`.
    """
    with opened(source) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def sha256_of(source: SourceFile) -> str:
    """Return the hex SHA-256 of a file.

    Raises
    ------
    FileChanged, FileNotFound, PathUnreadable
        If the file changes or cannot be read; see `opened`.
    """
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
    return digest.hexdigest()


def temporary_path(directory: Path) -> Path:
    """Return an unused path in `directory`, so that a later rename stays on one volume."""
    return directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def make_directory(path: Path) -> None:
    """Create a directory and its missing parents, for this user only, if it does not exist."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        with suppress(FileExistsError):  # another process is faster
            directory.mkdir(mode=DIRECTORY_MODE)
            directory.chmod(DIRECTORY_MODE)  # regardless of the umask
    path.mkdir(exist_ok=True)  # raises if it is a file


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


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`. After a crash, the file has either the old or the new content."""
    make_directory(path.parent)
    temporary = temporary_path(path.parent)
    try:
        with os.fdopen(create_file(temporary), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` survive a power failure."""
    if sys.platform == "win32":
        return  # Windows cannot open a directory, and NTFS journals renames
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Convert an `OSError` from writing to the store to a `PowerError`.

    Raises
    ------
    InsufficientDisk
        If the disk is full, or the user's quota is used up.
    PowerError
        If the store cannot be written for any other reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientDisk(
                f"The disk of {home} is full, or your quota is used up. Delete models, or free "
                "space elsewhere."
            ) from None
        raise PowerError(
            f"Could not write to the model store {home}: {error.strerror or error}. Check its "
            "owner and permissions, or set A3S_POWER_HOME to another directory."
        ) from None
