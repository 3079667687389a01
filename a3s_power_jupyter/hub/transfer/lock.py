"""Who fetches a file: one process on a home at a time."""

from __future__ import annotations

import sys
from pathlib import Path

from filelock import FileLock, Timeout
from msgspec import UNSET, UnsetType

from ...store.garbage import PULLS
from .partial import PartialPaths


class FileHeld:
    """The lock of one content, by its SHA-256 where the hub states it, else by its URL; the
    system drops it when the process ends."""

    def __init__(self, lock: FileLock, path: Path) -> None:
        self._lock = lock
        self._path = path

    def release(self) -> None:
        # While it is held, so that whoever opened the file before finds it gone and tries
        # again. Windows cannot remove a file that is open; an empty one stays there.
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        self._lock.release()


def try_lock(home: Path, url: str, sha256: str | UnsetType) -> FileHeld | None:
    """Take the lock of a file; None while another process, or another thread, has it."""
    key = PartialPaths(home, url).key if sha256 is UNSET else sha256
    path = home / PULLS / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return FileHeld(lock, path)
