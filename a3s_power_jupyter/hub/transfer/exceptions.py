"""What may go wrong between us and the hub and is not the user's to mend."""

from __future__ import annotations


class Transient(Exception):
    """A request failed, and another one may not.

    Parameters
    ----------
    reason : for people; it holds no URL, since a signed one opens a file to whoever has it.
    wait : seconds after which the other side wants to be asked again.
    crowded : the other side may mean that there are too many connections.
    stale : the link may be too old.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait: float | None = None,
        crowded: bool = False,
        stale: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.crowded = crowded
        self.stale = stale


class ContentChanged(Exception):
    """The hub has another content at this URL than its listing said: it must be asked anew."""


class Stopped(Exception):
    """The pull is to pause."""
