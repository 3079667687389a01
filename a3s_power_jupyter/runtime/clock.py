"""Clock and timers of the runtime. Tests replace them to avoid waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Return a time in seconds that never decreases."""

    def wall(self) -> float:
        """Return the Unix time in seconds."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` on the event loop after `delay` seconds."""


class SystemClock:
    """The system's clock and the running event loop's timers."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(delay, callback)


def wake(future: asyncio.Future[None]) -> None:
    """Complete a future that a coroutine awaits, unless it is done or cancelled."""
    if not future.done():
        future.set_result(None)
