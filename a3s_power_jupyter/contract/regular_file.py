"""Open regular files only: opening a pipe or a device may block, or have effects."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import NotAFile, PathUnreadable

#: Open without waiting for the other end, if a pipe has just replaced a regular file.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: Path, mode: int) -> None:
    """Check that `mode`, the `st_mode` of `path`, is that of a regular file.

    Raises
    ------
    NotAFile
        If it is not.
    """
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
        raise NotAFile(f"{path} is {kind}, not a file.", param="path")


def open_regular(path: Path, access: int = os.O_RDONLY) -> int:
    """Open an existing regular file and return its descriptor.

    Parameters
    ----------
    access : int
        ``os.O_RDONLY`` or ``os.O_RDWR``.

    Raises
    ------
    NotAFile
        If it is a directory, a pipe, a socket or a device.
    OSError
        If it cannot be opened.
    """
    check_regular(path, path.stat().st_mode)
    descriptor = os.open(path, access | _FLAGS)
    try:
        check_regular(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a small regular file.

    Parameters
    ----------
    limit : int
        Bytes that the file may have.

    Raises
    ------
    NotAFile
        If it is not a regular file.
    PathUnreadable
        If it has more than `limit` bytes.
    OSError
        If it cannot be read.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        content = file.read(limit + 1) or b""  # None from files of /proc that would block
    if len(content) > limit:
        raise PathUnreadable(f"{path} is larger than {limit:,} bytes.", param="path")
    return content


def read_text(path: Path, limit: int) -> str:
    """Return the UTF-8 text of a file that an administrator wrote.

    Parameters
    ----------
    limit : int
        Most bytes.

    Raises
    ------
    ValueError
        If it cannot be read, with the reason.
    """
    try:
        return read_regular(path, limit).decode("utf-8")
    except (NotAFile, PathUnreadable) as error:
        raise ValueError(error.message) from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
