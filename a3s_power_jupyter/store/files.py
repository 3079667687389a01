"""Files of the user, opened with care, and files of ours, written so that no crash tears them."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

#: Bytes read at once: large enough that SHA-256, not the system calls, sets the pace.
CHUNK = 4 * 1024 * 1024

TEMPORARY_PREFIX = "tmp-"


@dataclass(frozen=True)
class SourceFile:
    """A regular file as it was when we first looked at it.

    Attributes
    ----------
    name : where it stands inside its model, with '/' between folders.
    path : absolute; symbolic links are kept, because a sharded model is found by its names.
    role : that of `types.StoredFile`.
    """

    name: str
    path: Path
    size: int
    mtime_ns: int
    role: Literal["mmproj"] | UnsetType = UNSET


def user_path(text: str) -> Path:
    """The absolute path that a user wrote.

    Raises
    ------
    InvalidParameter
        It is relative: the server's working directory is not the caller's.
    """
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises for an unknown user
    if not _is_text(expanded) or "\0" in expanded:
        raise InvalidParameter("The path holds characters that no path can hold.", param="path")
    if not Path(expanded).is_absolute():
        raise InvalidParameter(
            f"The path {text!r} is relative, and the server does not run in your folder. "
            "Give the whole path, or one that starts with ~.",
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
    """What lies at `path`, which must be a regular file; pipes and devices are never opened.

    Raises
    ------
    FileNotFound, NotAFile, PathUnreadable
    """
    with reading(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise NotAFile(f"{path} is {kind}. Give the path of a model file.", param="path")
    return SourceFile(name or path.name, path, status.st_size, status.st_mtime_ns)


def check_directory(path: Path) -> None:
    """Refuse what is no directory.

    Raises
    ------
    FileNotFound, NotADirectory, PathUnreadable
    """
    with reading(path):
        status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectory(
            f"{path} is a file. This format is a directory with config.json, tokenizer and "
            "safetensors weights.",
            param="path",
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals of `path` into errors of the contract."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFound(
            f"There is no file or directory {path} on the server.", param="path"
        ) from None
    except OSError as error:
        raise PathUnreadable(
            f"{path} cannot be read by the server: {error.strerror or error}.", param="path"
        ) from None


@contextmanager
def opened(source: SourceFile) -> Iterator[FileIO]:
    """Open `source` for reading, for nothing else, and make sure that it stays the same file.

    Raises
    ------
    FileChanged
        It was replaced or written to since we first looked, or while it was open.
    FileNotFound, PathUnreadable
    """
    with reading(source.path):
        # A pipe that took the file's place since must not block us here.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(source.path, flags)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            _check_unchanged(source, os.fstat(descriptor))
            yield file
            _check_unchanged(source, os.fstat(descriptor))


def _check_unchanged(source: SourceFile, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
        raise FileChanged(
            f"{source.path} changed while it was read. Register it when it is complete.",
            param="path",
        )


def chunks(source: SourceFile) -> Iterator[bytes]:
    """The bytes of a file in order. Errors of reading are ours, errors of the consumer its own.

    Raises
    ------
    FileChanged, FileNotFound, PathUnreadable
    """
    with opened(source) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def sha256_of(source: SourceFile) -> str:
    """Hex SHA-256 of a file; raises what `chunks` raises."""
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
    return digest.hexdigest()


def temporary_path(directory: Path) -> Path:
    """A fresh name beside the files of `directory`, so that a rename stays on one volume."""
    return directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path` such that a crash leaves the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path.parent)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` survive a loss of power."""
    if sys.platform == "win32":
        return  # a directory cannot be opened there, and NTFS journals its renames
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Say in words why the store at `home` could not be written.

    Raises
    ------
    InsufficientDisk
    PowerError
        The store is read-only, or belongs to another user.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientDisk(
                f"The disk of {home} is full. Remove models, or free space elsewhere."
            ) from None
        raise PowerError(
            f"The model store {home} cannot be written: {error.strerror or error}. Check its "
            "owner and permissions, or set A3S_POWER_HOME to another folder."
        ) from None
