"""Run steps that must not be left half done when their caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..contract.errors import PowerError

T = TypeVar("T")


class Steps:
    """Tasks of steps that continue if the caller is cancelled."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a step in a task of its own. Wait for it with `asyncio.shield` or `asyncio.wait`."""
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until all steps have ended, including those that start in the meantime.

        Parameters
        ----------
        seconds : float or None
            Seconds to wait at most; None for no limit.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # This marks the exception as retrieved; all callers may have been cancelled.
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PowerError):
            bug = {"message": "Power: a step failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(bug)  # logs it


async def finish(step: Coroutine[Any, Any, T]) -> T:
    """Run a step to its end. If the caller is cancelled, raise that only afterwards."""
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    try:
        raise cancelled  # asyncio logs an exception of the step
    finally:
        del cancelled  # its traceback leads back to this frame, and to those of the callers
