"""Run several asynchronous generators concurrently as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Pending: TypeAlias = Iterator[tuple[int, AsyncGenerator[T, None]]]


async def merge(
    sources: Iterable[AsyncGenerator[T, None]], limit: int
) -> AsyncGenerator[tuple[int, T], None]:
    """Yield the items of all `sources` as they arrive, each with the index of its source.

    At most `limit` sources run concurrently, each at most one item ahead of the reader. They are
    closed when one of them fails or the reader closes this generator, and no further ones begin.
    """
    items = _in_turn(enumerate(sources)) if limit == 1 else _concurrently(enumerate(sources), limit)
    async with aclosing(items):
        async for item in items:
            yield item


async def _in_turn(pending: Pending[T]) -> AsyncGenerator[tuple[int, T], None]:
    """Run one source at a time, the usual case: without a task and a queue, items cost less."""
    for index, source in pending:
        async with aclosing(source):
            async for item in source:
                yield index, item


async def _concurrently(pending: Pending[T], limit: int) -> AsyncGenerator[tuple[int, T], None]:
    queue: asyncio.Queue[tuple[int, T] | Exception | None] = asyncio.Queue(maxsize=1)

    async def run() -> None:
        try:
            for index, source in pending:
                async with aclosing(source):
                    async for item in source:
                        await queue.put((index, item))
        except Exception as error:
            await queue.put(error)
        else:
            await queue.put(None)

    tasks = [asyncio.ensure_future(run()) for _ in range(limit)]
    try:
        running = limit
        while running:
            received = await queue.get()
            if isinstance(received, Exception):
                try:
                    raise received
                finally:
                    del received  # its traceback leads back to this frame
            if received is None:
                running -= 1
            else:
                yield received
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
