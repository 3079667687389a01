"""Locks between processes, backed by files that exist only while the lock is held."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..contract.regular_file import open_regular
from .directories import make_directory
from .files import FILE_MODE

if sys.platform != "win32":
    import fcntl

#: Seconds between two attempts to get a lock together with other readers.
_POLL = 0.02


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


@contextmanager
def held_for_reading(path: Path, timeout: float) -> Iterator[bool]:
    """Hold a lock together with other readers, and neither create nor change its file.

    Parameters
    ----------
    timeout : float
        Seconds to wait for a process that holds it alone.

    Yields
    ------
    bool
        Whether the lock is held. It is not if its file does not exist, so that nobody has it, or if
        this user may not use the file.

    Raises
    ------
    NotAFile
        If there is something else in place of the file.
    filelock.Timeout
        If the other process does not release the lock.
    """
    with ExitStack() as stack:
        yield _hold_for_reading(path, timeout, stack)


def _hold_for_reading(path: Path, timeout: float, stack: ExitStack) -> bool:
    try:
        file = stack.enter_context(os.fdopen(open_regular(path), "rb"))
        if sys.platform == "win32":  # it has no lock that only needs read access
            stack.enter_context(FileLock(path, timeout=timeout, mode=FILE_MODE))
            return True
        end = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Timeout(str(path)) from None
                time.sleep(_POLL)
            else:
                return True
    except Timeout:
        raise
    except OSError:  # no file, no access, or no such locks in its file system
        return False


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
