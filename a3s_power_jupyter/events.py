"""Who changed: names of models, kept for each subscriber until it has looked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager


class Changes:
    """Fans out the names of what changed.

    A subscriber that is slow sees a name once, however often it changed meanwhile, and asks for
    the state when it gets there: what is kept for it is bounded by the number of models.
    """

    def __init__(self) -> None:
        self._subscribers: set[Subscription] = set()

    def publish(self, name: str) -> None:
        for subscriber in self._subscribers:
            subscriber.add(name)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Names that change from now on."""
        subscription = Subscription()
        self._subscribers.add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers.discard(subscription)


class Subscription:
    """An endless iterator over changed names, oldest first."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._arrived = asyncio.Event()

    def add(self, name: str) -> None:
        self._names.setdefault(name)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            await self._arrived.wait()
            while self._names:
                name = next(iter(self._names))
                del self._names[name]
                yield name
            self._arrived.clear()
