"""Publish the names of changed models and pulls to subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple


class Change(NamedTuple):
    kind: Literal["model", "pull", "memory", "chat", "presets"]
    name: str  # "" for memory and presets


class Changes:
    """Fans out changes to all subscribers.

    A change carries a name only, and a slow subscriber gets each name once, however often it
    changed in the meantime. What is queued is therefore bounded by the number of models, pulls and
    chats.
    """

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, change: Change) -> None:
        for subscription in self._subscriptions:
            subscription.add(change)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Collect the changes that are published within the block."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class Subscription:
    """An endless iterator over lists of changes since the last iteration, oldest first."""

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
