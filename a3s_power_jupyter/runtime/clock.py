"""Time as the runtime sees it, so that tests need not sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never run back."""

    def wall(self) -> float:
        """Unix seconds."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        """Call back on the event loop after `delay` seconds."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        return asyncio.get_running_loop().call_later(delay, callback)
