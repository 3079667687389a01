"""What a worker has reported of its work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..engine.protocol import Stats
from .clock import Clock

#: Seconds over which the speed is measured.
WINDOW = 5.0

#: Seconds after the first token from which there is a speed.
SHORTEST = 0.5

#: Seconds whose tokens are counted together.
BUCKET = 0.1


class TokenRate:
    """Tokens a second over the last `WINDOW` seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: deque[list[float]] = deque()  # time and tokens
        self._tokens = 0
        self._since = 0.0

    def add(self, tokens: int) -> None:
        """Count tokens that were generated now."""
        now = self._clock.monotonic()
        self._forget(now)
        if not self._buckets:
            # The time is measured from here on, so these tokens took none of it.
            self._since, tokens = now, 0
        if self._buckets and now - self._buckets[-1][0] < BUCKET:
            self._buckets[-1][1] += tokens
        else:
            self._buckets.append([now, tokens])
        self._tokens += tokens

    def value(self) -> float | None:
        """Return tokens a second; None if there were none, or the first came just now."""
        now = self._clock.monotonic()
        self._forget(now)
        seconds = min(WINDOW, now - self._since)
        return self._tokens / seconds if self._tokens and seconds >= SHORTEST else None

    def _forget(self, now: float) -> None:
        while self._buckets and now - self._buckets[0][0] >= WINDOW:
            self._tokens -= int(self._buckets.popleft()[1])


class Activity:
    """The work of one worker.

    Attributes
    ----------
    stats : Stats or None
        Use of the engine's caches; None if the engine has none.
    """

    def __init__(self, clock: Clock) -> None:
        self.stats: Stats | None = None
        self._rate = TokenRate(clock)
        self._changed: Callable[[], None] = lambda: None

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when `stats` changes: up to once a second while the worker works."""
        self._changed = changed

    def generated(self, tokens: int) -> None:
        """Count tokens that the worker has generated for any request."""
        self._rate.add(tokens)

    def reported(self, stats: Stats) -> None:
        """Set `stats`."""
        self.stats = stats
        self._changed()

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens that were generated in the last seconds; None if there were none."""
        return self._rate.value()
