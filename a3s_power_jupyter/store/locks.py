"""Locks between processes, backed by files that exist only while the lock is held."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .directories import make_directory
from .files import FILE_MODE


class ProcessLock:
    """A lock that only one object in one process can hold at a time.

    The operating system releases it when the process exits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One thread may acquire the lock and another release it.
        self._lock = FileLock(path, thread_local=False, mode=FILE_MODE)

    def acquire(self, timeout: float = 0.0) -> bool:
        """Wait up to `timeout` seconds for the lock; return whether this object now holds it.

        Raises
        ------
        OSError
            If the lock file cannot be created.
        """
        if not self._lock.is_locked:
            make_directory(self._path.parent)
            try:
                self._lock.acquire(timeout=timeout)
            except Timeout:
                return False
        return True

    def release(self) -> None:
        """Release the lock and remove its file, if this object holds the lock."""
        if not self._lock.is_locked:
            return
        # The file is removed while the lock is held, so a process that has opened it meanwhile
        # notices and tries again. Windows cannot remove an open file, so an empty file remains.
        if sys.platform != "win32":
            with suppress(OSError):  # the home was removed or became read-only
                self._path.unlink()
        self._lock.release()


def is_locked(path: Path) -> bool:
    """Return whether any process holds the lock at `path`."""
    if not path.exists():
        return False
    lock = ProcessLock(path)
    try:
        is_free = lock.acquire()
    except OSError:  # the store is read-only, so nobody can hold the lock
        return False
    lock.release()
    return not is_free
