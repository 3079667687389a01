"""Detect changes of the store by other programs, and a store that cannot be used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from ..contract.errors import PowerError, ServerBusy, StoreUnavailable
from ..contract.types import Manifest, ManifestProblem
from ..runtime.scheduler import Scheduler
from ..store.manifest import MANIFESTS, Snapshot, loaded_content
from ..store.model_store import ModelStore, problems_of
from ..store.threads import Threads

#: Seconds between two readings of the manifests while a model is in memory.
INTERVAL = 5.0
#: Seconds to wait for the store if there is an answer without it.
QUICK = 3.0


class Listing(NamedTuple):
    """The models of a store, sorted by name.

    Attributes
    ----------
    problems : list of ManifestProblem
        Manifests that cannot be read, or their directory.
    error : StoreUnavailable, ServerBusy or None
        Why the store cannot be read; the manifests are those of the models in memory then.
    """

    manifests: list[Manifest]
    problems: list[ManifestProblem]
    error: PowerError | None


class StoreWatch:
    """Compares the models in memory with the store, which another server may have changed.

    Parameters
    ----------
    store : ModelStore
        The store.
    threads : Threads
        Threads for work on the home.
    scheduler : Scheduler
        The models in memory. They are unloaded once idle if their manifests have changed.
    log : logging.Logger
        The server's log.
    """

    def __init__(
        self, store: ModelStore, threads: Threads, scheduler: Scheduler, log: logging.Logger
    ) -> None:
        self._store = store
        self._threads = threads
        self._scheduler = scheduler
        self._log = log
        self._problem: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Check whether the store can be used, and begin to compare the models in memory."""
        self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def look(self) -> Listing:
        """Return all models, and compare those in memory."""
        try:
            snapshot = await self._threads.run(self._store.snapshot)
        except (StoreUnavailable, ServerBusy) as error:
            self.report(error)
            problem = ManifestProblem(str(MANIFESTS), error.message)
            return Listing(sorted_by_name(self._in_memory()), [problem], error)
        self._recovered()
        known = dict(snapshot.manifests)
        for manifest in self._in_memory():
            if not _is_hidden(snapshot, manifest.name):
                self.compare(manifest.name, known.get(manifest.name))
            # Until it is unloaded, a model that was deleted is listed.
            if self._scheduler.runner(manifest.name) is not None:
                known.setdefault(manifest.name, manifest)
        return Listing(sorted_by_name(known.values()), problems_of(snapshot), None)

    def compare(self, name: str, manifest: Manifest | None) -> None:
        """Unload a model in memory once it is idle, unless it was loaded with this content.

        Parameters
        ----------
        manifest : Manifest or None
            The manifest in the store; None if it was deleted.
        """
        runner = self._scheduler.runner(name)
        if runner is None:
            return
        if manifest is not None and loaded_content(manifest) == loaded_content(
            runner.plan.manifest
        ):
            return
        reason = "deleted" if manifest is None else "replaced"
        if self._scheduler.retire(name, reason):
            self._scheduler.forget(name)
            self._log.warning("Power: %s was %s, and is unloaded once it is idle", name, reason)

    def report(self, error: PowerError) -> None:
        """Log once that the store cannot be used."""
        if error.message != self._problem:
            self._problem = error.message
            self._log.error("Power: %s", error.message)

    def _recovered(self) -> None:
        if self._problem is not None:
            self._problem = None
            self._log.info("Power: the model store can be read again")

    def _in_memory(self) -> list[Manifest]:
        return [runner.plan.manifest for runner in self._scheduler.runners()]

    async def _run(self) -> None:
        try:
            await self._threads.run(self._store.check)
        except PowerError as error:
            self.report(error)
        while True:
            await asyncio.sleep(INTERVAL)
            if self._scheduler.runners():
                await self.look()


def sorted_by_name(manifests: Iterable[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda manifest: manifest.name)


def _is_hidden(snapshot: Snapshot, name: str) -> bool:
    """Return whether a model's manifest exists but cannot be read."""
    return name not in snapshot.manifests and snapshot.unreadable_for(name) is not None
