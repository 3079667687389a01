"""The pulls of a server: at most one for a name, a limited number at once, the others in line.

Each is a process of its own (`hub.process.main`): neither hashing nor TLS holds up the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from ..contract.errors import InvalidModelName, InvalidReference, ModelBusy, PullStateNotFound
from ..contract.types import Manifest, PullRequest, PullStatus
from ..ipc.child import python_module
from ..store.model_store import ModelStore
from . import protocol
from .existing import Found, look
from .pull import Pull, Surroundings
from .resolve.reference import parse
from .states import PullState, PullStates, first_state, stopped_status
from .transfer.discard import discard
from .watchers import Event

PULL_COMMAND = tuple(python_module("a3s_power_jupyter.hub.process.main"))


@dataclass(frozen=True)
class Listener:
    """Who is told of the pulls.

    Attributes
    ----------
    registered : awaited when a model came, before anybody else is told; the flag says whether
        it replaced other files.
    changed : the pull of that name changed.
    received : so many bytes came.
    """

    registered: Callable[[str, bool], Awaitable[None]]
    changed: Callable[[str], None]
    received: Callable[[int], None]


class Pulls:
    """Methods are called on the event loop and do not block it.

    Parameters
    ----------
    limit : pulls that download at once; 0 is no limit.
    memory_bytes : what a model may take here, to choose a quantization.
    """

    def __init__(
        self,
        home: Path,
        store: ModelStore,
        limit: int,
        memory_bytes: Callable[[], int],
        listener: Listener,
        log: logging.Logger,
        command: tuple[str, ...] = PULL_COMMAND,
    ) -> None:
        self._home = home
        self._store = store
        self._memory_bytes = memory_bytes
        self._listener = listener
        self._states = PullStates(home, log)
        self._around = Surroundings(
            command=command,
            states=self._states,
            turns=asyncio.Semaphore(limit or sys.maxsize),
            changed=listener.changed,
            received=listener.received,
            log=log,
        )
        self._running: dict[str, Pull] = {}
        self._unsaved: dict[str, PullStatus] = {}  # the disk had no room for how they ended

    @property
    def active(self) -> int:
        """Pulls that run or wait for their turn."""
        return len(self._running)

    # ------------------------------------------------------------ pulling

    async def pull(self, request: PullRequest) -> AsyncGenerator[Event, None]:
        """Begin, join or take up a pull, and tell its events (contract, "Pull").

        Closing the generator stops nothing.

        Raises
        ------
        InvalidReference, InvalidModelName, ManifestUnreadable
        """
        begun = await self._begin(request)
        if isinstance(begun, Manifest):
            yield {"status": "already_exists", "name": begun.name}
            return
        pull, is_new = begun
        if not is_new:
            yield {"status": "already_pulling", "name": pull.name}
        async for event in pull.watch():
            yield event

    async def pull_in_background(self, request: PullRequest) -> PullStatus:
        """As `pull`, but nobody waits for it."""
        begun = await self._begin(request)
        if isinstance(begun, Manifest):
            size, created = begun.size_bytes, begun.created
            return PullStatus(begun.name, "done", created, size, size, finished_at=created)
        return begun[0].status

    async def _begin(self, asked: PullRequest) -> Manifest | tuple[Pull, bool]:
        """The model that is there already; or its pull, and whether that is new."""
        reference = parse(asked.name, asked.revision)
        name = reference.name
        found = await asyncio.to_thread(look, self._store, self._states, name)
        running = self._running.get(name)
        if running is not None:
            return running, False
        if found.manifest is not None and found.usable and not asked.force:
            return found.manifest
        request = protocol.PullRequest(
            name=name,
            reference=asked.name,
            home=str(self._home),
            revision=asked.revision,
            token=asked.token,
            force=asked.force,
            memory_bytes=self._memory_bytes(),
        )
        state = first_state(request, found.state if _goes_on(request, found.state) else None)
        if state.commit is not None:
            # What is here is of that commit; the branch may have moved on meanwhile.
            request = msgspec.structs.replace(
                request, reference=reference.without_revision, revision=state.commit
            )
        registered = partial(self._registered, name, found)
        pull = self._running[name] = Pull(request, state, registered, self._around)
        self._unsaved.pop(name, None)
        pull.when_ended(lambda: self._ended(pull))
        return pull, True

    def _ended(self, pull: Pull) -> None:
        del self._running[pull.name]
        if not pull.is_saved:
            self._unsaved[pull.name] = pull.status

    async def _registered(self, name: str, before: Found) -> None:
        """The process says that the model is there: look, and tell who has the old one.

        Raises
        ------
        PowerError
            It is not, or no longer.
        """
        manifest = await asyncio.to_thread(self._store.get, name)
        old = before.manifest
        replaced = old is not None and (old.files != manifest.files or not before.usable)
        await self._listener.registered(name, replaced)

    # ------------------------------------------------------------ looking on

    async def all(self) -> list[PullStatus]:
        """All pulls that are known, by name."""
        stored = await asyncio.to_thread(self._states.read_all)
        found = {state.status.name: state.status for state in stored} | self._unsaved
        found |= {name: pull.status for name, pull in self._running.items()}
        return [found[name] for name in sorted(found)]

    async def status(self, reference: str) -> PullStatus:
        """How a pull does, or ended.

        Raises
        ------
        PullStateNotFound
        """
        name = _name_of(reference)
        stored = None
        if name not in self._running and name not in self._unsaved:
            stored = await asyncio.to_thread(self._states.read, name)
        if name in self._running:
            return self._running[name].status
        if name in self._unsaved:
            return self._unsaved[name]
        if stored is not None:
            return stored.status
        raise PullStateNotFound(f"Nothing was pulled as {name!r}.", param="name")

    # ------------------------------------------------------------ stopping

    async def pause(self, reference: str) -> PullStatus:
        """Stop a pull such that it can go on; one that does not run stays as it is.

        Raises
        ------
        PullStateNotFound, ModelBusy
        """
        return await self._stop(_name_of(reference), "paused")

    async def cancel(self, reference: str, *, keep_partial: bool) -> PullStatus:
        """Stop a pull for good; one that is done stays as it is.

        Parameters
        ----------
        keep_partial
            Whether what was downloaded stays, for another pull of the same files.

        Raises
        ------
        PullStateNotFound, ModelBusy
        """
        name = _name_of(reference)
        status = await self._stop(name, "cancelled")
        if status.status == "done":
            return status
        status = await asyncio.to_thread(self._put_away, status, keep_partial)
        self._unsaved.pop(name, None)
        self._listener.changed(name)
        return status

    async def forget(self, name: str) -> int | None:
        """Cancel the pull of a model that is to be deleted, and know nothing of it any more.

        Returns
        -------
        int or None
            Bytes of its partial files, now gone; None where nothing was being pulled.

        Raises
        ------
        ModelBusy
        """
        try:
            status = await self._stop(name, "cancelled")
        except PullStateNotFound:
            return None
        freed = await asyncio.to_thread(discard, self._home, name)
        await asyncio.to_thread(self._states.remove, name)
        self._unsaved.pop(name, None)
        self._listener.changed(name)
        return None if status.status == "done" else freed

    async def stop(self) -> None:
        """Pause all, because the server ends."""
        await asyncio.gather(*(pull.stop("paused") for pull in [*self._running.values()]))

    async def _stop(self, name: str, how: Literal["paused", "cancelled"]) -> PullStatus:
        running = self._running.get(name)
        if running is not None:
            await running.stop(how)
            return running.status
        status = await self.status(name)
        if status.status == "pulling":
            raise ModelBusy(
                f"Another server on this home pulls {name}; pause or cancel it there.",
                param="name",
            )
        return status

    def _put_away(self, status: PullStatus, keep_partial: bool) -> PullStatus:
        status = stopped_status(status, "cancelled")
        if not keep_partial:
            discard(self._home, status.name)
            status = msgspec.structs.replace(status, completed=0)
        state = self._states.read(status.name)
        if state is not None:
            commit = state.commit if keep_partial else None
            self._states.write(msgspec.structs.replace(state, status=status, commit=commit))
        return status


def _goes_on(request: protocol.PullRequest, before: PullState | None) -> bool:
    """Whether `request` takes up what an earlier pull left."""
    return (
        before is not None
        and before.status.status != "done"
        and before.revision == request.revision
        and not request.force
    )


def _name_of(reference: str) -> str:
    """The name of the model; what is no reference may still be one that does not exist."""
    try:
        return parse(reference).name
    except (InvalidReference, InvalidModelName):
        return reference
