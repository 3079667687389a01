"""Read and write JSON documents with a version, in a folder that servers of one user share."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from ..contract.errors import ChatUnreadable, InsufficientDisk, PowerError, StoreUnavailable
from ..contract.regular_file import read_regular
from ..store.directories import make_directory
from ..store.files import FILE_MODE, write_atomically

#: Version of the files. A server leaves files of later versions alone.
VERSION = 1

#: Seconds to wait for another server to complete a change, which takes milliseconds.
LOCK_TIMEOUT = 10.0


def read_document(path: Path, limit: int) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ChatUnreadable
        If it is larger than `limit` bytes, is no document of ours, or has a later version.
    """
    try:
        document = msgspec.json.decode(read_regular(path, limit))
    except FileNotFoundError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable(path, "it is not valid JSON") from None
    except PowerError as error:  # a pipe, for instance, or too large
        raise ChatUnreadable(f"{error.message} It is left as it is.") from None
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise unreadable(path, "it has no version, so this server has not written it")
    if version > VERSION:
        raise ChatUnreadable(
            f"{path} was written by a newer version of a3s-power-jupyter. Update this server to "
            "use it. It is left as it is."
        )
    return dict(document)


def unreadable(path: Path, reason: str) -> ChatUnreadable:
    """Return the error for a file that cannot be used."""
    return ChatUnreadable(
        f"{path} cannot be used: {reason}. Repair or remove it; the server leaves it as it is."
    )


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Replace the document at `path`, for this user only."""
    write_atomically(path, msgspec.json.encode({"version": VERSION} | document))


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, and convert what the operating system refuses.

    Raises
    ------
    InsufficientDisk
        If the disk is full.
    StoreUnavailable
        If the folder cannot be written, or another server holds the lock.
    """
    with using(folder, "written"):
        make_directory(folder)
        with FileLock(folder / ".lock", timeout=LOCK_TIMEOUT, mode=FILE_MODE):
            yield


@contextmanager
def using(folder: Path, how: str) -> Iterator[None]:
    """Convert errors of the operating system, as `changing` does."""
    try:
        yield
    except Timeout:
        raise StoreUnavailable(
            f"Another process holds the lock of {folder}. Try again. If it persists, find the "
            "process that hangs, and end it.",
            retry_after=10,
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientDisk(
                f"The disk of {folder} is full. Delete chats, or free space elsewhere."
            ) from None
        where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        raise StoreUnavailable(
            f"The folder of the chats {folder} cannot be {how}: {error.strerror or error}{where}. "
            "Check its permissions and its disk. To use another folder, set "
            "PowerApp.assistant_dir and restart the server."
        ) from None
