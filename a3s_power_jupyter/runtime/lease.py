"""The use of a loaded model by one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .interfaces import WorkerHandle
from .runner import Runner


class Lease:
    """A request's use of a loaded model, which is neither evicted nor reloaded meanwhile.

    A request with several prompts runs each in a slot. Only one of its prompts at a time waits for
    a slot, behind the other requests, so that requests take turns.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._turn = asyncio.Lock()
        self._reserved = False

    @property
    def slots(self) -> int:
        """Number of prompts that the model processes at once."""
        return self._runner.slots

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[None]:
        """Wait for the slot of the first prompt. It is free again when the block ends."""
        await self._runner.take_slot()
        self._reserved = True
        try:
            yield
        finally:
            if self._reserved:  # no prompt was run
                self._runner.free_slot()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[WorkerHandle]:
        """Wait for a slot, and yield the worker for one prompt."""
        async with self._turn:
            if self._reserved:
                self._reserved = False
            else:
                await self._runner.take_slot()
        try:
            yield self._runner.loaded_worker
        finally:
            self._runner.free_slot()
