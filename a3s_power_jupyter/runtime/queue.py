"""Count the requests that wait for each model, and refuse those beyond the limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..contract.errors import ServerBusy


class Queue:
    """The requests that wait for a load, a reload or their first slot, counted by model.

    Parameters
    ----------
    limit : int
        Requests that may wait for one model; 0 means no limit.
    on_change : callable
        Called when the number of requests that wait for a model changes, with the model's name and
        the number of those that wait for any model.
    """

    def __init__(self, limit: int, on_change: Callable[[str, int], None]) -> None:
        self._limit = limit
        self._on_change = on_change
        self._waiting: Counter[str] = Counter()
        self._loads: Counter[str] = Counter()  # those of them without a request

    def requests(self, name: str) -> int:
        """Return how many wait for a model, without the clients that only load it."""
        return self._waiting[name] - self._loads[name]

    def enter(self, name: str, *, load: bool = False) -> Place:
        """Take the last place in the queue of the model `name`.

        Parameters
        ----------
        load : bool
            Whether the place is for a load without a request.

        Raises
        ------
        ServerBusy
            If the queue is full.
        """
        waiting = self._waiting[name]
        if self._limit and waiting >= self._limit:
            raise ServerBusy(
                f"{waiting} requests are already waiting for the model {name!r}. Try again in a "
                "few seconds.",
                retry_after=5,
            )
        self._add(name, 1, load)
        return Place(lambda: self._add(name, -1, load))

    def _add(self, name: str, count: int, load: bool) -> None:
        self._waiting[name] += count
        self._loads[name] += count if load else 0
        if not self._waiting[name]:
            del self._waiting[name], self._loads[name]
        self._on_change(name, self._waiting.total())


class Place:
    """The place of one request in a queue."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._left = False

    def leave(self) -> None:
        """Leave the queue. Nothing happens if the request has left it already."""
        if not self._left:
            self._left = True
            self._leave()
