"""Report the use of an engine's caches to the server."""

from __future__ import annotations

import time
from collections.abc import Callable

from .protocol import Stats

#: Seconds between two reports, at least.
INTERVAL = 1.0


class StatsReporter:
    """Sends an engine's statistics when they have changed, at most every `INTERVAL` seconds.

    Parameters
    ----------
    send : callable
        Sends the message.
    clock : callable
        Returns a time in seconds that never decreases.
    """

    def __init__(
        self, send: Callable[[Stats], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._clock = clock
        self._outdated = True
        self._next = clock()
        self._sent: Stats | None = None

    @property
    def due(self) -> float | None:
        """Seconds until `report` has to be called; None if nothing has happened since."""
        return max(0.0, self._next - self._clock()) if self._outdated else None

    def stepped(self) -> None:
        """Note that the engine has worked, so that its statistics may have changed."""
        self._outdated = True

    def report(self, stats: Callable[[], Stats | None]) -> None:
        """Send the statistics if they are due and have changed."""
        if self.due != 0:
            return
        self._outdated = False
        self._next = self._clock() + INTERVAL
        current = stats()
        if current is not None and current != self._sent:
            self._send(current)
            self._sent = current
