"""Manage the pulls of a server: at most one per model, and a limited number at once.

Each pull runs in a process (`hub.process.main`), so that hashing and TLS do not block the event
loop.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from ..contract.errors import ModelBusy, PullStateNotFound, StoreUnavailable
from ..contract.redaction import clean_token
from ..contract.types import Manifest, PullRequest, PullStatus
from ..ipc.child import python_module
from ..ipc.environment import Environment, pull_environment
from ..store.model_store import ModelStore
from ..store.threads import Threads
from .events import Event
from .protocol import StartPull
from .pull import Pull, PullCallbacks, PullContext
from .resolve.reference import name_of, parse
from .states import Existing, PullStates, find_existing, initial_state
from .transfer.partial_state import discard

PULL_COMMAND = tuple(python_module("a3s_power_jupyter.hub.process.main"))


class PullManager:
    """The pulls of a server. The methods run on the event loop and do not block it.

    Parameters
    ----------
    home : Path
        Home of the store.
    store : ModelStore
        The store on that home.
    threads : Threads
        Threads for work on the home.
    limit : int
        Pulls that download at once; 0 means no limit.
    memory_bytes : callable
        Returns the memory available to a model, used to choose a quantization.
    callbacks : PullCallbacks
        Called on changes.
    log : logging.Logger
        The server's log.
    command : tuple of str
        Command line of the process of a pull.
    environment : callable
        Returns the environment variables of the process.
    """

    def __init__(
        self,
        home: Path,
        store: ModelStore,
        threads: Threads,
        limit: int,
        memory_bytes: Callable[[], int],
        callbacks: PullCallbacks,
        log: logging.Logger,
        command: tuple[str, ...] = PULL_COMMAND,
        environment: Environment = pull_environment,
    ) -> None:
        self._home = home
        self._store = store
        self._threads = threads
        self._memory_bytes = memory_bytes
        self._callbacks = callbacks
        self._states = PullStates(home, log)
        self._context = PullContext(
            command=command,
            states=self._states,
            threads=threads,
            slots=asyncio.Semaphore(limit or sys.maxsize),
            callbacks=callbacks,
            log=log,
            environment=environment,
        )
        self._running: dict[str, Pull] = {}
        self._unsaved: dict[str, PullStatus] = {}  # final states that could not be written

    @property
    def active(self) -> int:
        """Pulls that run or wait for a slot."""
        return len(self._running)

    model_name = staticmethod(name_of)

    # ------------------------------------------------------------ start

    async def pull(self, request: PullRequest) -> AsyncGenerator[Event, None]:
        """Start, join or resume a pull and yield its events (see ``rest-api.yml``).

        The pull continues if the generator is closed.

        Raises
        ------
        InvalidReference, InvalidModelName
            If the request does not name a model on the hub.
        InvalidParameter
            If the token contains characters that a token cannot have.
        ManifestUnreadable
            If there is a model of this name but its manifest cannot be read.
        """
        started = await self._start(request)
        if isinstance(started, Manifest):
            yield {"status": "already_exists", "name": started.name}
            return
        pull, is_new = started
        if not is_new:
            yield {"status": "already_pulling", "name": pull.name}
        async for event in pull.watch():
            yield event

    async def pull_in_background(self, request: PullRequest) -> PullStatus:
        """Start, join or resume a pull and return its status; raises the errors of `pull`."""
        started = await self._start(request)
        if isinstance(started, Manifest):
            size, created = started.size_bytes, started.created
            return PullStatus(
                started.name,
                "done",
                created,
                size,
                size,
                finished_at=created,
                already_exists=True,
            )
        return started[0].status

    async def _start(self, request: PullRequest) -> Manifest | tuple[Pull, bool]:
        """Return the existing model, or its pull and whether the pull is new."""
        reference = parse(request.name, request.revision)
        token = clean_token(request.token, "The hub token", param="token")
        name = reference.name
        existing = await self._threads.run(find_existing, self._store, self._states, name)
        if name in self._running:
            return self._running[name], False
        if existing.manifest is not None and existing.is_usable and not request.force:
            return existing.manifest
        state = initial_state(name, request, existing.state)
        if state.commit is not None:
            # The bytes on disk belong to this commit; the branch may have moved since.
            reference = msgspec.structs.replace(reference, revision=state.commit)
        command = StartPull(
            reference=reference,
            status=state.status,
            home=str(self._home),
            token=token,
            force=request.force,
            memory_bytes=self._memory_bytes(),
        )
        on_registered = partial(self._on_registered, name, existing)
        pull = self._running[name] = Pull(command, state, on_registered, self._context)
        self._unsaved.pop(name, None)
        pull.when_ended(lambda: self._on_ended(pull))
        return pull, True

    def _on_ended(self, pull: Pull) -> None:
        del self._running[pull.name]
        if not pull.is_saved:
            self._unsaved[pull.name] = pull.status

    async def _on_registered(self, name: str, existing: Existing) -> None:
        """Check that the model is registered and call the callback.

        Raises
        ------
        PowerError
            If it is not registered, or no longer.
        """
        manifest = await self._threads.run(self._store.get, name)
        old = existing.manifest
        replaced = old is not None and (old.files != manifest.files or not existing.is_usable)
        await self._callbacks.on_registered(name, replaced)

    # ------------------------------------------------------------ status

    async def all(self) -> list[PullStatus]:
        """Return the status of all known pulls, sorted by name.

        If the store cannot be read, these are the pulls of this server; `StoreUnavailable` is
        raised if there are none.
        """
        try:
            stored = await self._threads.run(self._states.read_all)
        except StoreUnavailable:
            stored = []
            if not self._running and not self._unsaved:
                raise
        known = {state.status.name: state.status for state in stored} | self._unsaved
        known |= {name: pull.status for name, pull in self._running.items()}
        return [known[name] for name in sorted(known)]

    async def status(self, reference: str) -> PullStatus:
        """Return the status of a pull, which may have ended.

        Raises
        ------
        PullStateNotFound
            If there was no pull of this model.
        """
        return await self.status_of(name_of(reference))

    async def status_of(self, name: str) -> PullStatus:
        """Return the status of the pull of a model; raises the errors of `status`."""
        stored = None
        if name not in self._running and name not in self._unsaved:
            stored = await self._threads.run(self._states.read, name)
        if name in self._running:
            return self._running[name].status
        if name in self._unsaved:
            return self._unsaved[name]
        if stored is not None:
            return stored.status
        raise PullStateNotFound(f"There is no pull of {name!r}.", param="name")

    async def refuse_if_pulled(self, name: str) -> None:
        """Check that no pull is about to register a model called `name`.

        Raises
        ------
        ModelBusy
            If this server or another one on this home runs such a pull.
        """
        try:
            status = await self.status_of(name)
        except PullStateNotFound:
            return
        if status.status == "pulling":
            raise ModelBusy(
                f"{name!r} is being pulled. Choose another name, or cancel the pull first.",
                param="name",
            )

    # ------------------------------------------------------------ stop

    async def pause(self, reference: str) -> PullStatus:
        """Stop a pull so that it can be resumed; does nothing if it is not running.

        Raises
        ------
        PullStateNotFound
            If there was no pull of this model.
        ModelBusy
            If another server runs the pull.
        """
        return await self._stop(name_of(reference), "paused")

    async def cancel(self, reference: str, *, keep_partial: bool) -> PullStatus:
        """Stop a pull and discard its progress; does nothing if it is done.

        Parameters
        ----------
        reference : str
            Reference or name of the model.
        keep_partial : bool
            Keep the downloaded bytes for another pull of the same files.

        Raises
        ------
        PullStateNotFound
            If there was no pull of this model.
        ModelBusy
            If another server runs the pull.
        """
        name = name_of(reference)
        status = await self._stop(name, "cancelled")
        if status.status == "done":
            return status
        status = await self._threads.run(self._states.cancel, status, keep_partial)
        self._unsaved.pop(name, None)
        self._callbacks.on_change(name)
        return status

    async def forget(self, name: str) -> int | None:
        """Cancel the pull of a model that is being deleted, and remove its state.

        Returns
        -------
        int or None
            Bytes of the partial files that were removed; None if there was no unfinished pull.

        Raises
        ------
        ModelBusy
            If another server runs the pull.
        """
        try:
            status = await self._stop(name, "cancelled")
        except PullStateNotFound:
            return None
        freed = await self._threads.run(discard, self._home, name)
        await self._threads.run(self._states.remove, name)
        self._unsaved.pop(name, None)
        self._callbacks.on_change(name)
        return None if status.status == "done" else freed

    async def stop(self) -> None:
        """Pause all pulls, because the server is stopping."""
        await asyncio.gather(*(pull.stop("paused") for pull in [*self._running.values()]))

    async def _stop(self, name: str, how: Literal["paused", "cancelled"]) -> PullStatus:
        running = self._running.get(name)
        if running is not None:
            await running.stop(how)
            return running.status
        status = await self.status_of(name)
        if status.status == "pulling":
            raise ModelBusy(
                f"Another server on this home is pulling {name}; pause or cancel it there.",
                param="name",
            )
        return status
