"""Limits on repeated requests, and the exceptions that lead to a repetition or end it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

#: Longest wait that the hub may ask for, in seconds; its rate limits apply to 5 minutes. A pull
#: fails at once if it asks for more.
MAX_WAIT = 300.0

#: Seconds without a byte, including waits, after which a pull fails.
PATIENCE = 600.0


class Transient(Exception):
    """A request failed but may succeed if repeated.

    Parameters
    ----------
    reason : str
        Shown to the user, as the beginning of a sentence. It contains no URL, because a signed URL
        gives access to the file.
    wait : float or None
        Seconds to wait before the next attempt, as the other side requested.
    overloaded : bool
        Whether the other side may have received too many connections.
    stale : bool
        Whether the link may have expired.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait: float | None = None,
        overloaded: bool = False,
        stale: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.overloaded = overloaded
        self.stale = stale


class Stopped(Exception):
    """The pull is being paused."""


@dataclass(frozen=True)
class Retry:
    """A request that failed and is about to be repeated.

    Attributes
    ----------
    reason : str
        As in `Transient`.
    at : float
        Monotonic seconds of the next attempt.
    attempt, attempts : int
        Number of the next attempt, and of the last one.
    """

    reason: str
    at: float
    attempt: int
    attempts: int

    def note(self, now: float) -> str:
        """Return the sentences that tell the user what the pull is waiting for."""
        wait = math.ceil(self.at - now)
        when = f"Retrying in {wait} s" if wait > 0 else "Retrying now"
        return f"{self.reason}. {when}, attempt {self.attempt} of {self.attempts}."


OnRetry = Callable[[Retry], None]
