"""Registrations in progress: shared by clients, and stopped when nobody waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from ..contract.errors import PathUnreadable
from ..contract.types import Model, RegisterRequest
from ..runtime.steps import Steps
from ..store.work import Work

#: Seconds without progress after which the clients of a registration get an error.
SILENCE = 120.0
#: Seconds between two checks of the progress.
INTERVAL = 5.0


class Registration:
    """A registration that several clients may wait for.

    Hashing and copying stop when the last client leaves. The commit, which follows, is completed.

    Parameters
    ----------
    task : asyncio.Task
        The registration, which the cancellation of a client does not reach.
    work : Work
        Stops the registration.
    when_ended : callable
        Called once the registration has ended or is stopped, and can no longer be joined.
    """

    def __init__(
        self,
        task: asyncio.Task[Model],
        work: Work,
        when_ended: Callable[[Registration], None],
    ) -> None:
        self._work = work
        self._waiting = 0
        self._when_ended = when_ended
        self._task = task
        task.add_done_callback(lambda _task: when_ended(self))

    async def result(self) -> Model:
        """Wait for the registration.

        Raises
        ------
        PathUnreadable
            If it makes no progress, because a disk hangs.
        PowerError
            If the registration fails.
        """
        self._waiting += 1
        try:
            while not self._task.done():
                await asyncio.wait({self._task}, timeout=INTERVAL)
                if not self._task.done() and self._is_silent():
                    raise PathUnreadable(
                        f"Reading the files of the model made no progress for {SILENCE:g} "
                        "seconds. Check that their disk and the disk of the model store, or the "
                        "server of a network disk, can be reached.",
                        param="path",
                    )
            return self._task.result()
        finally:
            self._waiting -= 1
            if self._waiting == 0:
                self.stop()

    def stop(self) -> None:
        """Stop the registration, unless it is being committed."""
        if not self._task.done() and self._work.stop():
            self._when_ended(self)

    def _is_silent(self) -> bool:
        return time.monotonic() - self._work.last_progress > SILENCE


class Registrations:
    """The registrations in progress. Equal requests share one.

    Parameters
    ----------
    steps : Steps
        Runs the registrations.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._by_request: dict[bytes, Registration] = {}

    def join(
        self, request: RegisterRequest, start: Callable[[Work], Coroutine[Any, Any, Model]]
    ) -> Registration:
        """Return the registration of an equal request, or else that of `start`."""
        key = msgspec.json.encode(request)
        registration = self._by_request.get(key)
        if registration is None:
            work = Work()
            task = self._steps.start(start(work))
            registration = Registration(task, work, partial(self._drop, key))
            self._by_request[key] = registration
        return registration

    def stop(self) -> None:
        """Stop all registrations, except those that are being committed."""
        for registration in [*self._by_request.values()]:
            registration.stop()

    def _drop(self, key: bytes, registration: Registration) -> None:
        if self._by_request.get(key) is registration:
            del self._by_request[key]
