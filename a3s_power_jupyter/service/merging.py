"""Run several asynchronous generators concurrently as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def merge(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """Yield the items of all `sources` as they arrive, each with the index of its source.

    The sources run concurrently, each at most one item ahead of the reader. They are all closed
    when one of them fails or the reader closes this generator.
    """
    if len(sources) == 1:
        # The usual case. Without a task and a queue, each item costs less.
        async with aclosing(sources[0]) as only:
            async for item in only:
                yield 0, item
        return
    queue: asyncio.Queue[tuple[int, T] | Exception | None] = asyncio.Queue(maxsize=1)

    async def drain(index: int, source: AsyncGenerator[T, None]) -> None:
        end: Exception | None = None
        try:
            async with aclosing(source):
                async for item in source:
                    await queue.put((index, item))
        except Exception as error:
            end = error
        await queue.put(end)

    tasks = [asyncio.ensure_future(drain(i, source)) for i, source in enumerate(sources)]
    try:
        running = len(tasks)
        while running:
            received = await queue.get()
            if isinstance(received, Exception):
                raise received
            if received is None:
                running -= 1
            else:
                yield received
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
