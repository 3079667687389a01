"""Run one pull: its slot, its process, its watchers and its state on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET

from ..contract.errors import (
    InvalidReference,
    PowerError,
    ServerBusy,
    WorkerDied,
    from_wire,
)
from ..contract.types import PullStatus
from ..ipc.child import Child
from ..ipc.environment import Environment
from ..store.threads import Threads
from .events import Event, Watchers, received_bytes, wire_event
from .protocol import STATUS_DECODER, Command, Pause, StartPull
from .states import PullState, PullStates, StateSaver

#: Seconds between two writes of the state during a download. The bytes have states of their own,
#: so this only limits how old the numbers are after a restart.
SAVE_INTERVAL = 2.0
#: Bytes of memory that the process may use. The pulls of the tests use less than 50 MB.
MEMORY_LIMIT = 2 * 1024**3
#: Seconds that the process has to stop by itself when it is paused.
PAUSE_GRACE = 5.0


@dataclass(frozen=True)
class PullCallbacks:
    """Functions that are called when something happens to a pull.

    Attributes
    ----------
    on_registered : callable
        Awaited with the name of a model that was registered, before its pull ends, and with
        whether it replaced other files.
    on_change : callable
        Called with the name of a model when the status of its pull has changed.
    on_received : callable
        Called with a number of bytes that have arrived.
    """

    on_registered: Callable[[str, bool], Awaitable[None]]
    on_change: Callable[[str], None]
    on_received: Callable[[int], None]


@dataclass(frozen=True)
class PullContext:
    """What all pulls of a server share.

    Attributes
    ----------
    command : sequence of str
        Command line of the process of a pull (`hub.process.main`).
    states : PullStates
        The states on disk.
    threads : Threads
        Threads for work on the home.
    slots : asyncio.Semaphore
        Limits the pulls that run at once.
    callbacks : PullCallbacks
        Called on changes.
    log : logging.Logger
        The server's log.
    environment : callable
        Returns the environment variables of the process.
    """

    command: Sequence[str]
    states: PullStates
    threads: Threads
    slots: asyncio.Semaphore
    callbacks: PullCallbacks
    log: logging.Logger
    environment: Environment


class Pull:
    """One pull, which starts at once and runs whether or not it is watched.

    Parameters
    ----------
    request : StartPull
        Sent to the process.
    state : PullState
        State at the start.
    on_registered : callable
        Awaited when the process has registered the model, before the last event.
    context : PullContext
        Shared by all pulls.

    Attributes
    ----------
    is_saved : bool
        False if the final state could not be written to disk.
    """

    def __init__(
        self,
        request: StartPull,
        state: PullState,
        on_registered: Callable[[], Awaitable[None]],
        context: PullContext,
    ) -> None:
        self.is_saved = True
        self._request = request
        self._state = state
        self._on_registered = on_registered
        self._context = context
        self._saver = StateSaver(context.states, self.name)
        self._watchers = Watchers()
        self._child: Child[Command, PullStatus] | None = None
        self._exited = asyncio.Event()
        self._outcome: PullStatus | None = None
        self._stopping: Literal["paused", "cancelled"] | None = None
        self._unsaved = asyncio.Event()
        self._running = asyncio.ensure_future(self._run())
        self._ending = asyncio.ensure_future(self._end())

    @property
    def name(self) -> str:
        return self._request.reference.name

    @property
    def status(self) -> PullStatus:
        return self._state.status

    def watch(self) -> AsyncGenerator[Event, None]:
        """Yield the latest event, and then every event up to the last."""
        return self._watchers.watch()

    def when_ended(self, callback: Callable[[], object]) -> None:
        """Call `callback` after the last event."""
        self._ending.add_done_callback(lambda _task: callback())

    async def stop(self, how: Literal["paused", "cancelled"]) -> None:
        """Stop the pull and keep its bytes, unless it is done before that."""
        self._stopping = how
        if self._child is None:
            self._running.cancel()
        else:
            self._child.send(Pause())
            await asyncio.wait({self._running}, timeout=PAUSE_GRACE)
            await self._child.stop()
        await asyncio.wait({self._ending})

    # ------------------------------------------------------------ process

    async def _run(self) -> None:
        """Wait for a slot and run the process.

        Raises
        ------
        PowerError
            If the pull fails.
        """
        await self._context.threads.run(self._save)
        saving = asyncio.ensure_future(self._keep_saving())
        try:
            if self._context.slots.locked():
                note = "This pull starts when one of the running pulls has ended."
                waiting = msgspec.structs.replace(self.status, phase="waiting", note=note)
                self._update(waiting)
            async with self._context.slots:
                await self._run_process()
        finally:
            saving.cancel()
        if self._outcome is None:
            return
        if self._outcome.error is not UNSET:
            raise from_wire(self._outcome.error)
        if self._outcome.status == "done":
            await self._on_registered()

    async def _run_process(self) -> None:
        try:
            self._child = Child(
                f"the pull of {self.name}",
                self._context.command,
                self._context.environment(),
                STATUS_DECODER,
                self._on_status,
                self._exited.set,
                self._context.log,
            )
        except OSError as error:
            raise ServerBusy(f"The process of the pull could not be started: {error}.") from None
        self._child.limit_memory(MEMORY_LIMIT, refuse=True)
        self._child.lower_priority()  # keep the notebook responsive while the process hashes
        self._child.send(self._request)
        await self._exited.wait()
        if self._outcome is None and not self._stopping:
            raise WorkerDied(
                f"The process of the pull ended unexpectedly: {self._child.exit_reason()}. Pull "
                f"{self.name} again to resume."
            )

    def _on_status(self, status: PullStatus) -> None:
        if status.status != "pulling":
            self._outcome = status
            return
        self._context.callbacks.on_received(received_bytes(self.status, status))
        if status.revision is not UNSET:
            self._state = msgspec.structs.replace(self._state, commit=status.revision)
        self._update(status)

    def _update(self, status: PullStatus) -> None:
        event = wire_event(self.status, status)
        self._state = msgspec.structs.replace(self._state, status=status)
        self._unsaved.set()
        self._watchers.publish(event)
        self._context.callbacks.on_change(self.name)

    # ------------------------------------------------------------ end

    async def _end(self) -> None:
        """Wait for the end of the process, save the final state and publish the last event."""
        await asyncio.wait({self._running})
        error = None if self._running.cancelled() else self._running.exception()
        status = self._final_status(error)
        # If the hub no longer has the commit, the next attempt resolves the reference again.
        commit = None if isinstance(error, InvalidReference) else self._state.commit
        event = wire_event(self.status, status)
        self._state = msgspec.structs.replace(self._state, status=status, commit=commit)
        try:
            await self._context.threads.run(self._save, True)
        except PowerError as raised:
            self.is_saved = False
            self._context.log.error(
                "Power: could not save the final state of the pull of %s: %s",
                self.name,
                raised.message,
            )
        self._watchers.publish(event, last=True)
        self._context.callbacks.on_change(self.name)

    def _final_status(self, error: BaseException | None) -> PullStatus:
        outcome = self._outcome or self.status
        if self._stopping == "cancelled" and outcome.status != "done":
            return outcome.ended("cancelled")
        if error is not None:
            return outcome.ended("failed", error=self._as_power_error(error).to_wire())
        return outcome if outcome.status == "done" else outcome.ended("paused")

    def _as_power_error(self, error: BaseException) -> PowerError:
        if isinstance(error, PowerError):
            self._context.log.warning("Power: the pull of %s failed: %s", self.name, error.message)
            return error
        self._context.log.error("Power: the pull of %s failed", self.name, exc_info=error)
        return PowerError("Internal error. See the notebook server's log for details.")

    # ------------------------------------------------------------ state on disk

    async def _keep_saving(self) -> None:
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            try:
                await self._context.threads.run(self._save)
            except PowerError as error:
                # The process writes to the same disk and fails, too, unless space is freed.
                self._context.log.warning("Power: %s", error.message)
            await asyncio.sleep(SAVE_INTERVAL)

    def _save(self, last: bool = False) -> None:
        self._saver.save(self._state, last=last)
