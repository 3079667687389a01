"""Run a request without waiting for its client to read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from ..contract.errors import ClientTooSlow
from ..runtime.steps import finish

T = TypeVar("T")

#: Bytes, roughly, of a reply that may wait for its client.
MAX_UNREAD = 32 * 2**20


async def read_ahead(
    source: AsyncGenerator[T, None], size: Callable[[T], int], limit: int = MAX_UNREAD
) -> AsyncGenerator[T, None]:
    """Yield the items of `source`, which runs to its end even if nobody asks for the next item.

    What the source uses, such as a slot of a model, is thus free as soon as it has ended. Closing
    this generator closes the source.

    Parameters
    ----------
    source : async generator
        Produces the items.
    size : callable
        Returns the bytes that an item takes.
    limit : int
        Bytes of items that may wait.

    Raises
    ------
    ClientTooSlow
        If more wait. The source is closed then.
    """
    buffer = _Buffer(size, limit)
    reading = asyncio.ensure_future(buffer.fill(source))
    try:
        while True:
            while buffer.items:
                yield buffer.take()
            if reading.done():
                reading.result()
                return
            await buffer.changed()
    finally:
        reading.cancel()
        try:
            await finish(_ended(reading))
        finally:
            del reading  # its exception's traceback leads back to this frame


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # mark as retrieved; nobody may be left to read it


class _Buffer(Generic[T]):
    def __init__(self, size: Callable[[T], int], limit: int) -> None:
        self.items: deque[T] = deque()
        self._size = size
        self._limit = limit
        self._bytes = 0
        self._change = asyncio.Event()

    async def fill(self, source: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    self._bytes += self._size(item)
                    if self._bytes > self._limit:
                        raise ClientTooSlow(
                            f"More than {self._limit // 2**20} MB of the reply are waiting for "
                            "this client. Read the stream faster, or ask for fewer log "
                            "probabilities or choices."
                        )
                    self.items.append(item)
                    self._change.set()
        finally:
            self._change.set()

    def take(self) -> T:
        item = self.items.popleft()
        self._bytes -= self._size(item)
        return item

    async def changed(self) -> None:
        """Wait for an item, or for the end of `fill`."""
        self._change.clear()
        await self._change.wait()
