"""Detect that a process has sent nothing for too long."""

from __future__ import annotations

from collections.abc import Callable

from .clock import Clock, TimerHandle

#: Checks per timeout.
CHECKS = 10


class Watchdog:
    """Calls a function if nothing happens for some time.

    It counts the checks without a sign of life instead of comparing times. If this process was
    stopped, or the computer was suspended, that counts as one check, and the other process has the
    rest of the time to answer.

    Parameters
    ----------
    clock : Clock
        Its timer makes the checks.
    timeout : float
        Seconds.
    on_silence : callable
        Called once, `timeout` seconds to a tenth more after the last sign of life.
    """

    def __init__(self, clock: Clock, timeout: float, on_silence: Callable[[], None]) -> None:
        self._clock = clock
        self._interval = timeout / CHECKS
        self._on_silence = on_silence
        self._silent_checks = 0
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Start watching. Nothing happens if it has started already."""
        if self._timer is None:
            self._silent_checks = 0
            self._schedule()

    def sign_of_life(self) -> None:
        """Restart the timeout."""
        self._silent_checks = 0

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._timer = self._clock.call_later(self._interval, self._check)

    def _check(self) -> None:
        self._silent_checks += 1
        if self._silent_checks <= CHECKS:
            self._schedule()
        else:
            self._timer = None
            self._on_silence()
