"""The clock of the runtime, replaced in tests so that they need not sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes backwards."""

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
    """Resolve a future that a coroutine waits for, unless it is done or cancelled."""
    if not future.done():
        future.set_result(None)
