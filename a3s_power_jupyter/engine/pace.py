"""Bound the time for which a step reads prompts and texts while other requests wait."""

from __future__ import annotations

#: Tokens that such a step reads at least. The time for fewer says little about the pace.
MIN_READ = 32


class Pace:
    """How many tokens can be read in a given time.

    Parameters
    ----------
    seconds : float
        Time that a step may take to read.
    n_batch : int
        Tokens of the largest batch, from which the first estimate follows.
    least : int
        Tokens that a step may read in any case.
    """

    def __init__(self, seconds: float, n_batch: int, *, least: int = MIN_READ) -> None:
        self._seconds = seconds
        self._least = least
        self._rate = n_batch / seconds / 2  # tokens per second
        self._is_measured = False

    @property
    def n_tokens(self) -> int:
        """Tokens that a step may read."""
        return max(self._least, int(self._rate * self._seconds))

    def record(self, n_tokens: int, seconds: float) -> None:
        """Record how long a batch took."""
        if n_tokens >= MIN_READ:
            rate = n_tokens / seconds
            self._rate += (rate - self._rate) / 4 if self._is_measured else rate - self._rate
            self._is_measured = True
