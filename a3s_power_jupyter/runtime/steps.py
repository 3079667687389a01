"""Run steps that must not be left half done when their caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Steps:
    """Tasks of steps that continue if the caller is cancelled."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a step in a task of its own. Wait for it with `asyncio.shield`, if at all."""
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until all steps have ended, including those that start in the meantime."""
        while self._tasks:
            await asyncio.wait(self._tasks)


async def finish(step: Coroutine[Any, Any, T]) -> T:
    """Run a step to its end. If the caller is cancelled, raise that only afterwards."""
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
