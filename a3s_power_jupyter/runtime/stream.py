"""The items of one request on their way from a worker to whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from ..contract.errors import PowerError, from_wire
from ..contract.types import Item
from ..engine.protocol import Ended


class Stream:
    """Items in order, until the request ended.

    Iterating raises the `PowerError` that ended the request. `close` cancels what is still
    running and returns once the worker's slot is free.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._items: asyncio.Queue[Item | Ended | PowerError] = asyncio.Queue()
        self._ended = asyncio.Event()

    def push(self, value: Item | Ended | PowerError) -> None:
        """Called by the worker's side; `Ended` or an error is the last."""
        self._items.put_nowait(value)
        if isinstance(value, (Ended, PowerError)):
            self._ended.set()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            value = await self._items.get()
            if isinstance(value, PowerError):
                raise value
            if isinstance(value, Ended):
                if value.error is not None:
                    raise from_wire(value.error)
                return
            yield value

    async def close(self) -> None:
        if not self._ended.is_set():
            self._cancel()
            await self._ended.wait()
