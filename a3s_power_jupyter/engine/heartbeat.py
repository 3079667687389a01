"""Tell the server that the worker is alive while it has requests but no output for them.

The server ends a worker that sends nothing for `PowerApp.step_timeout`. Heartbeats come from the
main thread, between steps and from within long ones: a thread would send them while a step hangs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two heartbeats, at least.
INTERVAL = 0.5


class Heartbeat:
    """Sends a message, at most every `INTERVAL` seconds."""

    def __init__(self) -> None:
        self._send: Callable[[], None] = lambda: None
        self._last = 0.0

    def start(self, send: Callable[[], None]) -> None:
        """Set the function that sends the message. Until then, nothing is sent."""
        self._send = send

    def beat(self) -> None:
        """Call this between the parts of a computation. It takes less than a microsecond."""
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            self._send()


#: The heartbeat of this process.
HEARTBEAT = Heartbeat()
