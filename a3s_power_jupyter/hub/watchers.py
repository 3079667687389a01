"""Those who watch a pull."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

Event = dict[str, Any]


class Watchers:
    """Hands every event to any number of watchers, a slow one included.

    Of progress that a watcher has not looked at yet only the newest is kept, so what is kept
    for it is bounded.
    """

    def __init__(self) -> None:
        self._latest: Event | None = None
        self._ended = False
        self._pending: set[_Pending] = set()

    def tell(self, event: Event, *, last: bool = False) -> None:
        self._latest = event
        self._ended = last
        for pending in self._pending:
            pending.add(event, last)

    async def watch(self) -> AsyncGenerator[Event, None]:
        """The latest event, if there was one, and then every event up to the last."""
        pending = _Pending()
        if self._latest is not None:
            pending.add(self._latest, self._ended)
        self._pending.add(pending)
        try:
            while (event := await pending.next()) is not None:
                yield event
        finally:
            self._pending.discard(pending)


class _Pending:
    """What one watcher has not seen."""

    def __init__(self) -> None:
        self._events: deque[Event | None] = deque()
        self._arrived = asyncio.Event()

    def add(self, event: Event, last: bool) -> None:
        newest = self._events[-1] if self._events else None
        if newest is not None and newest["status"] == event["status"]:
            self._events[-1] = event
        else:
            self._events.append(event)
        if last:
            self._events.append(None)
        self._arrived.set()

    async def next(self) -> Event | None:
        """The next event; None after the last."""
        await self._arrived.wait()
        event = self._events.popleft()
        if not self._events:
            self._arrived.clear()
        return event
