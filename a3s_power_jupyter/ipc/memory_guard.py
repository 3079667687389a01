"""Measure and limit the memory of a child process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

import psutil

#: Seconds between two measurements, each of which takes less than 0.1 milliseconds.
INTERVAL = 0.25


class MemoryGuard:
    """Measures a process on the event loop, and kills it if it exceeds its limit.

    Parameters
    ----------
    pid : int
        The process.
    kill : callable
        Kills it.

    Attributes
    ----------
    limit : int
        Bytes of private memory that the process may use; 0 for no limit.
    exceeded : bool
        Whether the process was killed.
    refuses : bool
        Whether the kernel refuses memory above the limit.
    """

    def __init__(self, pid: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        self._kill = kill
        self._timer: asyncio.TimerHandle | None = None
        self.limit = 0
        self.exceeded = False
        self.refuses = False

    def set_limit(self, limit: int) -> None:
        """Change the limit, and measure the process until `stop`."""
        self.limit = limit
        if self._timer is None:
            self._check()

    def refuse(self) -> None:
        """Have Linux refuse memory above the limit, so that an allocation fails.

        This needs no measurement, and gives the process the chance to end one request only. It is
        not for processes that use a GPU, because Linux counts address space, used or not.
        """
        if sys.platform != "linux":
            return
        with contextlib.suppress(psutil.Error):  # the process has exited
            process = psutil.Process(self._pid)
            size = process.memory_info().data + self.limit - private_bytes(self._pid)
            process.rlimit(psutil.RLIMIT_DATA, (size, size))
            self.refuses = True

    def stop(self) -> None:
        """Stop measuring the process."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        # Linux 6.2 to 6.15 may count no memory for a process that has just started.
        if private_bytes(self._pid) > self.limit:
            self.exceeded = True
            self._kill()
        else:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._check)


def private_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if it has exited.

    On Linux, without the memory that it maps from files, which the kernel can drop.
    """
    with contextlib.suppress(psutil.Error):
        memory = psutil.Process(pid).memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))
    return 0
