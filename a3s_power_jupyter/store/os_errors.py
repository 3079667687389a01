"""Convert errors of the operating system to errors that say what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import Timeout

from ..contract.errors import (
    FileNotFound,
    InsufficientDisk,
    PathUnreadable,
    PowerError,
    ServerBusy,
    StoreUnavailable,
)
from ..contract.text import shortened

_PERMISSIONS = "Check the owner and the permissions"
_NETWORK = "Check that its file system is mounted and that a network disk can be reached"
_DAMAGED = "The disk may be damaged: see the log of the operating system"

_ADVICE = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "Its file system is mounted read-only",
    errno.EIO: _DAMAGED,
    errno.ESTALE: _NETWORK,
    errno.ETIMEDOUT: _NETWORK,
    errno.ENOTCONN: _NETWORK,
    errno.EHOSTDOWN: _NETWORK,
    errno.ENODEV: _NETWORK,
    errno.ENXIO: _NETWORK,
    errno.ENAMETOOLONG: "Most file systems allow 255 bytes for a name, and 4,095 for a path",
    errno.ELOOP: "Symbolic links lead in a circle",
    errno.ETXTBSY: "It is a program that is running: stop it first",
    errno.EFBIG: "The file system or a limit of the process does not allow files of this size",
}

#: Errors of the process or the machine, which do not depend on the path.
_EXHAUSTED = {
    errno.EMFILE: "the server has too many open files. Raise its limit (ulimit -n), or try again",
    errno.ENFILE: "the machine has too many open files. Close programs, or try again",
    errno.ENOMEM: "the machine has too little memory. Unload models, or try again",
}

#: Errors for which `obstacle` finds the part of the path that is at fault.
_STRUCTURE = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert an `OSError` from reading `path`, a file or directory of the user.

    Raises
    ------
    FileNotFound
        If `path` does not exist.
    ServerBusy
        If the server has too many open files.
    PathUnreadable
        If it cannot be read for any other reason.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        reason = obstacle(path)
        because = "" if reason is None else f": {reason}"
        raise FileNotFound(f"{path} does not exist on the server{because}.", param="path") from None
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise _exhausted(f"The server cannot read {path}", error.errno) from None
        raise PathUnreadable(
            f"The server cannot read {path}: {_reason(error)}.{_advice(error)}", param="path"
        ) from None


@contextmanager
def reading_store(home: Path) -> Iterator[None]:
    """Convert an `OSError` from reading the store. Raises `StoreUnavailable` or `ServerBusy`."""
    with _using_store(home, "read"):
        yield


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Convert an `OSError` from writing to the store.

    Raises
    ------
    InsufficientDisk
        If the disk is full, or the user's quota is used up.
    ServerBusy
        If the server has too many open files.
    StoreUnavailable
        If the store cannot be written for any other reason.
    """
    with _using_store(home, "written"):
        yield


@contextmanager
def _using_store(home: Path, how: Literal["read", "written"]) -> Iterator[None]:
    try:
        yield
    except Timeout as error:
        raise StoreUnavailable(
            f"Another process holds the lock {error.lock_file} of the model store. Try again. If "
            "it persists, find the process that hangs, and end it.",
            retry_after=30,
        ) from None
    except OSError as error:
        raise _store_error(home, how, error) from None


@contextmanager
def writing_temporary(directory: Path) -> Iterator[None]:
    """Convert an `OSError` from writing to the system's temporary directory, as `writing` does."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientDisk(
                f"The disk of the temporary directory {directory} is full. Free space there, or "
                "set TMPDIR to another directory and restart the server."
            ) from None
        raise StoreUnavailable(
            f"The temporary directory {directory} cannot be written: {_reason(error)}."
            f"{_advice(error)} To use another directory, set TMPDIR and restart the server."
        ) from None


def _store_error(home: Path, how: str, error: OSError) -> PowerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "Your quota on the disk" if error.errno == errno.EDQUOT else "The disk"
        state = "used up" if error.errno == errno.EDQUOT else "full"
        return InsufficientDisk(
            f"{what} of {home} is {state}. Delete models, or free space elsewhere."
        )
    prefix = f"The model store {home} cannot be {how}"
    if error.errno in _EXHAUSTED:
        return _exhausted(prefix, error.errno)
    path = home if error.filename is None else Path(os.fsdecode(error.filename))
    target = None if error.filename2 is None else Path(os.fsdecode(error.filename2))
    if target is not None and target.is_dir():  # a file was to be renamed to it
        return StoreUnavailable(f"{prefix}: {target} is a directory, not a file. Remove it.")
    reason = obstacle(path) if error.errno in _STRUCTURE else None
    if reason is None:
        where = "" if path == home else f" ({shortened(str(path))})"
        reason = f"{_reason(error)}{where}"
    return StoreUnavailable(
        f"{prefix}: {reason}.{_advice(error)} To use another directory, set A3S_POWER_HOME and "
        "restart the server."
    )


def obstacle(path: Path) -> str | None:
    """Return what prevents a path from existing or being created.

    Returns
    -------
    str or None
        A phrase, such as ``/a is a file, not a directory``; None if nothing is in the way.
    """
    for part in (path, *path.parents):
        try:
            mode = part.stat().st_mode
        except NotADirectoryError:
            continue
        except FileNotFoundError:
            if part.is_symlink():
                target = shortened(os.readlink(part))  # noqa: PTH115 - as it is written
                return f"{part} is a link to {target}, which does not exist"
            continue
        except OSError:
            return None
        return None if stat.S_ISDIR(mode) else f"{part} is a file, not a directory"
    return None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _advice(error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0)
    return "" if advice is None else f" {advice}."


def _exhausted(prefix: str, number: int | None) -> ServerBusy:
    return ServerBusy(f"{prefix}: {_EXHAUSTED[number or 0]}.", retry_after=10)
