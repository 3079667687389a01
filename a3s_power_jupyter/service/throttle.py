"""Limit how often something happens."""

from __future__ import annotations

from collections.abc import Callable

from ..runtime.clock import Clock


class Throttle:
    """Calls a function with a name: a few times at once, then every `interval` seconds.

    It is called soon after each use, or later if it was called too often for this name. All uses
    until then are one.

    Parameters
    ----------
    clock : Clock
        Its timers make the calls.
    interval : float
        Seconds between two calls in the long run.
    burst : int
        Calls that may follow each other without a delay.
    call : callable
        The function.
    """

    def __init__(
        self, clock: Clock, interval: float, burst: int, call: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._ahead = (burst - 1) * interval
        self._call = call
        self._pending: set[str] = set()
        self._even: dict[str, float] = {}  # when evenly spaced calls would be due again

    def __call__(self, name: str) -> None:
        if name in self._pending:
            return
        self._pending.add(name)
        now = self._clock.monotonic()
        delay = max(0.0, self._even.get(name, now) - self._ahead - now)
        self._clock.call_later(delay, lambda: self._fire(name))

    def _fire(self, name: str) -> None:
        self._pending.remove(name)
        now = self._clock.monotonic()
        self._even[name] = max(now, self._even.get(name, now)) + self._interval
        self._call(name)
