"""One pull under way: its turn, its process, its watchers, its state on disk."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from ..contract.errors import InvalidReference, PowerError, ServerBusy, WorkerDied, from_wire
from ..contract.types import PullStatus
from ..ipc.child import Child, child_environment
from . import protocol, pulled_files
from .states import PullState, PullStates, stopped_status
from .watchers import Event, Watchers

#: Seconds between two writes of the state while bytes come. The bytes have states of their own,
#: so this is only how old a number may be after a restart.
SAVE_INTERVAL = 2.0
#: Seconds that the process has to stop at a point of its choice when it is to pause.
PAUSE_GRACE = 5.0


@dataclass(frozen=True)
class Surroundings:
    """What all pulls of a server share.

    Attributes
    ----------
    command : starts the process of a pull (`hub.process.main`).
    turns : as many as pulls may run at once.
    changed : told the name whenever the status changed.
    received : told how many bytes came.
    """

    command: Sequence[str]
    states: PullStates
    turns: asyncio.Semaphore
    changed: Callable[[str], None]
    received: Callable[[int], None]
    log: logging.Logger


class Pull:
    """From the request to the last event, whoever watches. It runs when this is made.

    Attributes
    ----------
    is_saved : False where the disk did not take how it ended.

    Parameters
    ----------
    state : what is known at the beginning.
    registered : awaited when the process has registered the model, before anybody is told.
    """

    def __init__(
        self,
        request: protocol.PullRequest,
        state: PullState,
        registered: Callable[[], Awaitable[None]],
        around: Surroundings,
    ) -> None:
        self.is_saved = True
        self._request = request
        self._state = state
        self._registered = registered
        self._around = around
        self._lock = around.states.lock(request.name)
        self._watchers = Watchers()
        self._child: Child[protocol.Command, protocol.Event] | None = None
        self._exited = asyncio.Event()
        self._last: protocol.Event | None = None
        self._counted = 0
        self._stopping: Literal["paused", "cancelled"] | None = None
        self._unsaved = asyncio.Event()
        self._one_writer = threading.Lock()
        self._closed = False
        self._working = asyncio.ensure_future(self._work())
        self._ending = asyncio.ensure_future(self._end())

    @property
    def name(self) -> str:
        return self._request.name

    @property
    def status(self) -> PullStatus:
        return self._state.status

    def watch(self) -> AsyncGenerator[Event, None]:
        """The latest event, then every event up to the last; closing it stops nothing."""
        return self._watchers.watch()

    def when_ended(self, callback: Callable[[], object]) -> None:
        """Call `callback` when nothing of it runs and the last event was told."""
        self._ending.add_done_callback(lambda _task: callback())

    async def stop(self, how: Literal["paused", "cancelled"]) -> None:
        """End it, keeping what it downloaded. What was done before that is done."""
        self._stopping = how
        if self._child is None:
            self._working.cancel()
        else:
            self._child.send(protocol.Pause())
            await asyncio.wait({self._working}, timeout=PAUSE_GRACE)
            await self._child.stop()
        await asyncio.wait({self._ending})

    # ------------------------------------------------------------ from the beginning to the end

    async def _work(self) -> None:
        """Raises `PowerError` where the pull fails; returns when it is done, or stopped."""
        await asyncio.to_thread(self._save)
        saving = asyncio.ensure_future(self._keep_saving())
        try:
            if self._around.turns.locked():
                note = "Other pulls run; this one begins when one of them ends."
                self._update({"status": "waiting", "note": note}, phase="waiting")
            async with self._around.turns:
                await self._run_process()
        finally:
            saving.cancel()
        if isinstance(self._last, protocol.Failed):
            raise from_wire(self._last.error)
        if isinstance(self._last, protocol.Done):
            await self._registered()

    async def _run_process(self) -> None:
        try:
            self._child = Child(
                f"the pull of {self.name}",
                self._around.command,
                child_environment(),
                protocol.EVENT_DECODER,
                self._on_event,
                self._exited.set,
                self._around.log,
            )
        except OSError as error:
            raise ServerBusy(f"No process could be started for a pull: {error}.") from None
        self._child.lower_priority()  # hashing must not slow the notebook down
        self._child.send(self._request)
        await self._exited.wait()
        ends = (protocol.Done, protocol.Failed, protocol.Paused)
        if not isinstance(self._last, ends) and not self._stopping:
            raise WorkerDied(
                f"The process of the pull ended: {self._child.exit_reason()}. Pull {self.name} "
                "again: it goes on from where it stopped."
            )

    async def _end(self) -> None:
        """Wait for `_work`, and say how it went: to the disk first, then to the watchers."""
        await asyncio.wait({self._working})
        error = None if self._working.cancelled() else self._working.exception()
        status, event = self._outcome(error)
        # Where the hub no longer has the commit, the next attempt asks what there is now.
        commit = None if isinstance(error, InvalidReference) else self._state.commit
        self._state = msgspec.structs.replace(self._state, status=status, commit=commit)
        try:
            await asyncio.to_thread(self._save, last=True)
        except PowerError as raised:
            self.is_saved = False
            self._around.log.error(
                "Power: how the pull of %s ended is not on disk: %s", self.name, raised.message
            )
        self._watchers.tell(event, last=True)
        self._around.changed(self.name)

    def _outcome(self, error: BaseException | None) -> tuple[PullStatus, Event]:
        done = isinstance(self._last, protocol.Done)
        if self._stopping == "cancelled" and not done:
            return stopped_status(self.status, "cancelled"), {
                "status": "cancelled",
                "name": self.name,
            }
        if error is not None:
            wire = self._as_power_error(error).to_wire()
            return stopped_status(self.status, "failed", wire), {"status": "error", "error": wire}
        if isinstance(self._last, protocol.Done):
            return stopped_status(self.status, "done"), {
                "status": "success",
                "id": self.name,
                "object": "model",
                "created": self._last.created,
            }
        status = stopped_status(self.status, "paused")
        return status, {"status": "paused", "name": self.name, "completed": status.completed}

    def _as_power_error(self, error: BaseException) -> PowerError:
        if isinstance(error, PowerError):
            return error
        self._around.log.error("Power: the pull of %s broke", self.name, exc_info=error)
        return PowerError("The server made a mistake; its log says more.")

    # ------------------------------------------------------------ what the process says

    def _on_event(self, event: protocol.Event) -> None:
        self._last = event
        if isinstance(event, protocol.Resolving):
            self._update(_wire(event), phase="resolving")
        elif isinstance(event, protocol.Planned):
            self._on_plan(event)
        elif isinstance(event, protocol.Resuming):
            self._counted = event.offset
            files = pulled_files.so_far(self.status.files, event.files)
            self._update(_wire(event), completed=event.offset, total=event.total, files=files)
        elif isinstance(event, protocol.Waiting):
            self._counted = event.completed
            wire = _wire(event) | {"note": "Another pull fetches the same file."}
            self._update(wire, phase="waiting", completed=event.completed, total=event.total)
        elif isinstance(event, protocol.Downloading):
            self._on_progress(event)
        elif isinstance(event, protocol.Verifying):
            self._on_whole(event)
        elif isinstance(event, protocol.Paused) and event.total:
            paused = msgspec.structs.replace(
                self.status, completed=event.completed, total=event.total
            )
            self._state = msgspec.structs.replace(self._state, status=paused)

    def _on_plan(self, event: protocol.Planned) -> None:
        plan = event.plan
        wire = {
            "status": "planned",
            "revision": plan.revision,
            "files": len(plan.files),
            "total": plan.size,
        }
        if plan.note is not UNSET:
            wire["note"] = plan.note
        self._state = msgspec.structs.replace(self._state, commit=plan.revision)
        self._update(wire, total=plan.size, note=plan.note, files=pulled_files.planned(plan))

    def _on_progress(self, event: protocol.Downloading) -> None:
        self._around.received(max(0, event.completed - self._counted))
        self._counted = event.completed
        self._update(
            _wire(event),
            phase="downloading",
            completed=event.completed,
            total=event.total,
            bytes_per_second=event.bytes_per_second,
            eta_seconds=UNSET if event.eta_seconds is None else event.eta_seconds,
            files=pulled_files.so_far(self.status.files, event.files),
        )

    def _on_whole(self, event: protocol.Verifying) -> None:
        total = self.status.total
        completed = self.status.completed if total is UNSET else total
        if self.status.phase == "downloading":
            self._around.received(max(0, completed - self._counted))
        self._update(
            _wire(event),
            phase="verifying",
            files=pulled_files.whole(self.status.files),
            completed=completed,
            bytes_per_second=UNSET,
            eta_seconds=UNSET,
        )

    def _update(self, event: Event, **status: Any) -> None:
        """Change the status, and tell everybody `event`."""
        changed = msgspec.structs.replace(self.status, **status)
        self._state = msgspec.structs.replace(self._state, status=changed)
        self._unsaved.set()
        self._watchers.tell(event)
        self._around.changed(self.name)

    # ------------------------------------------------------------ its state on disk

    async def _keep_saving(self) -> None:
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            try:
                await asyncio.to_thread(self._save)
            except PowerError as error:
                # The bytes go to the same disk: the process will say so, or has room again.
                self._around.log.warning("Power: %s", error.message)
            await asyncio.sleep(SAVE_INTERVAL)

    def _save(self, *, last: bool = False) -> None:
        # A thread goes on when the task that waits for it is cancelled: what it has to write
        # must not come after the last.
        with self._one_writer:
            if self._closed:
                return
            self._closed = last
            try:
                self._around.states.write_locked(self._state, self._lock)
            finally:
                if last:
                    self._lock.release()


def _wire(event: protocol.Event) -> Event:
    """As the contract has it: the tags are its statuses. What each file has is in the status."""
    fields: Event = msgspec.to_builtins(event)
    fields.pop("files", None)
    return {"status": fields.pop("type"), **fields}
