"""What changed: names of models and pulls, kept for each subscriber until it has looked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple


class Change(NamedTuple):
    kind: Literal["model", "pull"]
    name: str


class Changes:
    """Fans out the names of what changed.

    A subscriber that is slow sees a name once, however often it changed meanwhile, and asks for
    the state when it gets there: what is kept for it is bounded by the number of models.
    """

    def __init__(self) -> None:
        self._subscribers: set[Subscription] = set()

    def publish(self, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber.add(change)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """What changes from now on."""
        subscription = Subscription()
        self._subscribers.add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers.discard(subscription)


class Subscription:
    """An endless iterator over what changed since it was last asked, oldest first."""

    def __init__(self) -> None:
        self._changes: dict[Change, None] = {}
        self._arrived = asyncio.Event()

    def add(self, change: Change) -> None:
        self._changes.setdefault(change)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[list[Change]]:
        while True:
            await self._arrived.wait()
            changes = [*self._changes]
            self._changes.clear()
            self._arrived.clear()
            yield changes
