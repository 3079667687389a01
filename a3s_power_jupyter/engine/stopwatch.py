"""Measure how long the engine reads a prompt, and how long it generates."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two reports of the progress in a prompt, at least.
REPORT_INTERVAL = 0.5


class Stopwatch:
    """Measures one request.

    Parameters
    ----------
    clock : callable
        Returns a time in seconds that never decreases.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self._first_token: float | None = None
        self._last_token = 0.0
        self._last_report = 0.0

    def begin(self) -> None:
        """Note that the engine begins with the prompt; nothing happens if it began before."""
        if self._began is None:
            self._began = self._last_report = self._clock()

    def token(self) -> None:
        """Note that a token was sampled."""
        self._last_token = self._clock()
        if self._first_token is None:
            self._first_token = self._last_token

    def report_is_due(self) -> bool:
        """Return whether `REPORT_INTERVAL` has passed since the last report, which starts anew."""
        now = self._clock()
        if now - self._last_report < REPORT_INTERVAL:
            return False
        self._last_report = now
        return True

    @property
    def prompt_ms(self) -> float:
        """Milliseconds from `begin` to the first token, or up to now."""
        if self._began is None:
            raise RuntimeError("the engine has not begun with the prompt")
        end = self._clock() if self._first_token is None else self._first_token
        return (end - self._began) * 1000

    @property
    def predicted_ms(self) -> float:
        """Milliseconds from the first to the last token."""
        return 0.0 if self._first_token is None else (self._last_token - self._first_token) * 1000
