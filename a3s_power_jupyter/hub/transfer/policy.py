"""Retries and timeouts of downloads."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..http.http_client import HEAD_TIMEOUT
from ..http.retries import MAX_WAIT, PATIENCE

#: Unsynced bytes after which a checkpoint is due.
CHECKPOINT_BYTES = 128 << 20


@dataclass(frozen=True)
class Policy:
    """Retries and timeouts of a download, in seconds.

    Attributes
    ----------
    connections : int
        Simultaneous connections for one file.
    stall : float
        Time without a byte after which a connection is closed.
    head : float
        Time until the head of a reply must be complete.
    attempts : int
        Consecutive attempts of one connection without a byte before it gives up.
    patience : float
        Time without a byte, including waits, after which the download gives up.
    first_wait, longest_wait : float
        Wait between two attempts. It doubles each time, with jitter, so that connections do not
        retry simultaneously.
    longest_retry_after : float
        Longest ``Retry-After`` to wait for; a connection gives up if it is longer.
    checkpoint : float
        Time between two checkpoints; one is also due after `CHECKPOINT_BYTES`.
    """

    connections: int = 4
    stall: float = 30.0
    head: float = HEAD_TIMEOUT
    attempts: int = 10
    patience: float = PATIENCE
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = MAX_WAIT
    checkpoint: float = 5.0

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after a number of consecutive failures."""
        doubled: float = self.first_wait * 2.0 ** (failures - 1)
        return min(doubled, self.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311
