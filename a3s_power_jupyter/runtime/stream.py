"""Stream the result of one request from a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from copy import copy

from ..contract.errors import PowerError, from_wire
from ..contract.types import Item, TokenItem
from ..engine.protocol import Ended


class Stream:
    """Async iterator over a request's items, up to the end of the request.

    Parameters
    ----------
    cancel : callable
        Asks the worker to cancel the request.

    Raises
    ------
    PowerError
        If the request fails; raised by the iteration.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._items: asyncio.Queue[Item | TokenItem | Ended | PowerError] = asyncio.Queue()
        self._ended = asyncio.Event()

    def push(self, value: Item | TokenItem | Ended | PowerError) -> None:
        """Add an item. `Ended` or an error ends the stream."""
        self._items.put_nowait(value)
        if isinstance(value, (Ended, PowerError)):
            self._ended.set()

    async def __aiter__(self) -> AsyncIterator[Item | TokenItem]:
        while True:
            value = await self._items.get()
            if isinstance(value, PowerError):
                raise copy(value)  # the traceback of `value` would lead back to this frame
            if isinstance(value, Ended):
                if value.error is not None:
                    raise from_wire(value.error)
                return
            yield value

    async def close(self) -> None:
        """Cancel the request if it has not ended, and wait until its slot is free."""
        if not self._ended.is_set():
            self._cancel()
            await self._ended.wait()
