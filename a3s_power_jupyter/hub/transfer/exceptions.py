"""Exceptions of a transfer that the user does not see."""

from __future__ import annotations


class Transient(Exception):
    """A request failed but may succeed if repeated.

    Parameters
    ----------
    reason : str
        Shown to the user. It contains no URL, because a signed URL gives access to the file.
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


class ContentChanged(Exception):
    """The content at the hub differs from its listing, which has to be requested again."""


class Stopped(Exception):
    """The pull is being paused."""
