"""The models on disk: register, list, show and delete them, and collect garbage."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ..contract.errors import (
    ManifestUnreadable,
    ModelBusy,
    ModelNotFound,
    ServerBusy,
    StoreUnavailable,
    shutting_down,
)
from ..contract.parameters import DefaultParameters, check_default_parameters
from ..contract.types import Deletion, Manifest, ManifestProblem, Model, RegisterRequest, Removable
from ..hub.pull_manager import PullManager
from ..remote import Upstreams
from ..runtime.scheduler import Scheduler
from ..runtime.steps import Steps
from ..store.deletion import preview_deletion
from ..store.lookup import refuse_shared
from ..store.model_store import ModelStore
from ..store.threads import PATIENCE, StoreThreads
from ..store.work import Work, WorkStopped
from .changes import Change, Changes
from .model_view import describe, describe_remote
from .registration import Registrations
from .store_watch import QUICK, Listing, StoreWatch

T = TypeVar("T")

#: Seconds to wait for a deletion or a garbage collection, which continues after that.
CHANGE_PATIENCE = 120.0
#: Seconds that commits, deletions and garbage collections in progress have once the server stops.
STOP_GRACE = 2.0


class Catalog:
    """The models of one home directory. No method blocks the event loop."""

    def __init__(
        self,
        store: ModelStore,
        threads: StoreThreads,
        scheduler: Scheduler,
        upstreams: Upstreams,
        pulls: PullManager,
        changes: Changes,
        log: logging.Logger,
    ) -> None:
        self._store = store
        self._threads = threads
        self._scheduler = scheduler
        self._upstreams = upstreams
        self._pulls = pulls
        self._changes = changes
        self._watch = StoreWatch(store, threads.home, scheduler, log)
        self._steps = Steps()
        self._registrations = Registrations(self._steps)

    async def manifest(self, name: str) -> Manifest:
        """Return the manifest of a model; that in memory if the store cannot be read.

        A model in memory that has another manifest by now is unloaded once it is idle.

        Raises
        ------
        InvalidModelName
            If no model can have this name.
        ModelNotFound
            If no model has this name.
        ManifestUnreadable
            If the manifest is damaged.
        StoreUnavailable, ServerBusy
            If the store cannot be read, and the model is not in memory.
        """
        in_memory = self._scheduler.runner(name) is not None
        try:
            manifest = await self._threads.home.run(
                self._store.get, name, seconds=QUICK if in_memory else PATIENCE
            )
        except ModelNotFound:
            self._watch.compare(name, None)
            raise
        except (StoreUnavailable, ServerBusy) as error:
            self._watch.report(error)
            runner = self._scheduler.runner(name)
            if runner is None:
                raise
            return runner.plan.manifest
        self._watch.compare(name, manifest)
        return manifest

    async def manifest_in_memory(self, name: str) -> Manifest:
        """Return the manifest with which a model was loaded, or else that in the store.

        Raises as `manifest` does.
        """
        try:
            return await self.manifest(name)
        except (ModelNotFound, ManifestUnreadable):
            runner = self._scheduler.runner(name)
            if runner is None:
                raise
            return runner.plan.manifest

    async def listing(self) -> Listing:
        """Return all models, and check remote models' upstreams if due.

        If the store cannot be read, these are the models in memory.
        """
        listing = await self._watch.look()
        for manifest in listing.manifests:
            if manifest.format == "remote":
                self._upstreams.refresh(manifest)
        return listing

    async def problems(self) -> list[ManifestProblem]:
        """Return the manifests that cannot be read. Raises `StoreUnavailable`."""
        return await self._threads.home.run(self._store.problems, seconds=QUICK)

    async def model(self, name: str) -> Model:
        """Return a model with its current state. Raises as `manifest` does."""
        return self.describe(await self.manifest(name))

    async def models(self) -> tuple[list[Model], list[ManifestProblem]]:
        """Return all models with their current state, sorted by name.

        Returns
        -------
        models : list of Model
            If the store cannot be read, those in memory.
        problems : list of ManifestProblem
            Why models may be missing: manifests that cannot be read, or their directory.

        Raises
        ------
        StoreUnavailable, ServerBusy
            If the store cannot be read, and no model is in memory.
        """
        listing = await self.usable_listing()
        models = [self.describe(manifest) for manifest in listing.manifests]
        return models, listing.problems

    async def usable_listing(self) -> Listing:
        """Return all models as `listing`; raises the errors of `models`."""
        listing = await self.listing()
        if listing.error is not None and not listing.manifests:
            raise listing.error
        return listing

    def describe(self, manifest: Manifest) -> Model:
        """Return the model of `manifest` with its current state."""
        if manifest.format == "remote":
            return describe_remote(manifest, self._upstreams.health(manifest), time.monotonic())
        return describe(manifest, self._scheduler)

    async def register(self, request: RegisterRequest) -> Model:
        """Register a model. Registering the same content under the same name changes nothing.

        Equal requests share one registration. If the callers of a registration are cancelled
        before its files are hashed or copied, it is stopped and leaves nothing behind.

        Raises
        ------
        ModelBusy
            If the model to be overwritten is in use, or a model of this name is being pulled.
        PowerError
            If the request, the model's files or the store are at fault, with the codes that the
            contract lists for ``POST /v1/models``.
        """
        given = request.default_parameters
        parameters = request.own_parameters if given is None else check_default_parameters(given)
        if request.upstream is not None:
            self._upstreams.check_key(request.upstream)
        if request.overwrite:
            self._refuse_if_in_use(request.name)
        await self._pulls.refuse_if_pulled(request.name)
        registration = self._registrations.join(
            request, lambda work: self._register(request, parameters, work)
        )
        return await registration.result()

    async def _register(
        self, request: RegisterRequest, parameters: DefaultParameters, work: Work
    ) -> Model:
        try:
            manifest, changed = await self._threads.registrations.run(
                self._store.register, request, parameters, work, seconds=None
            )
        except WorkStopped:
            raise shutting_down("The registration") from None
        if changed and request.overwrite:
            await self._replaced(manifest.name)
        elif changed:
            # A new name, or the same content in other files. A loaded model stays loaded.
            self._changes.publish(Change("model", manifest.name))
        return self.describe(manifest)

    async def registered(self, name: str, replaced: bool) -> None:
        """Announce a model that a pull or a copy has registered; unload it if it was replaced."""
        if replaced:
            await self._replaced(name)
        else:
            self._changes.publish(Change("model", name))

    async def delete(self, name: str, *, force: bool = False) -> int:
        """Cancel the pull of a model, unload the model and remove it, even if cancelled meanwhile.

        Returns
        -------
        int
            Freed bytes: blobs that no other model uses, and partial downloads.

        Raises
        ------
        ModelNotFound
            If there is neither a model nor a pull of this name.
        ModelBusy
            If the model is in use and `force` is not set, or another server is pulling it.
        Forbidden
            If the model is in a shared home.
        """
        return await self._within_patience(self._delete(name, force), f"The deletion of {name!r}")

    async def preview_deletion(self, manifest: Manifest) -> Deletion:
        """Return what the deletion of a model would free and keep."""
        return await self._threads.home.run(preview_deletion, self._store, manifest)

    async def _delete(self, name: str, force: bool) -> int:
        if not force:
            self._scheduler.refuse_if_busy(name)
        with suppress(StoreUnavailable, ServerBusy):  # it can be unloaded all the same
            snapshot = await self._threads.home.run(self._store.snapshot, seconds=QUICK)
            refuse_shared(snapshot, name)
        in_memory = self._scheduler.runner(name) is not None
        if in_memory:  # first, because this succeeds even if the store cannot be used
            await self._scheduler.unload(name, force=force, reason="deleted")
        partials = await self._pulls.forget(name)
        freed = 0
        try:
            freed = await self._threads.home.run(self._store.delete, name, seconds=None)
        except ModelNotFound:
            if partials is None and not in_memory:
                raise
        self._forget(name)
        # A request may have loaded the model again before its manifest was gone.
        await self._scheduler.unload(name, force=True, reason="deleted")
        return freed + (partials or 0)

    async def collect_garbage(
        self, *, dry_run: bool
    ) -> tuple[list[Removable], list[ManifestProblem]]:
        """Remove what no model needs, or only list it if `dry_run` is set.

        Returns what was removed, and the manifests that cannot be read. Blobs are kept while there
        are any.
        """
        collect = self._threads.home.run(self._store.collect_garbage, dry_run, seconds=None)
        removed = await self._within_patience(collect, "The garbage collection")
        return removed, await self.problems()

    def start(self) -> None:
        """Check the store, and begin to watch the manifests of loaded models."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop hashing and copying, and give what is being committed a moment to complete."""
        self._watch.stop()
        self._registrations.stop()
        await self._steps.wait(STOP_GRACE)

    async def _replaced(self, name: str) -> None:
        self._scheduler.retire(name, "replaced")
        self._forget(name)
        runner = self._scheduler.runner(name)
        if runner is None or not runner.in_use:
            await self._scheduler.unload(name, force=True)

    def _forget(self, name: str) -> None:
        """Forget pin, failure and upstream health of a model that was deleted or replaced."""
        self._scheduler.forget(name)
        self._upstreams.forget(name)

    def _refuse_if_in_use(self, name: str) -> None:
        runner = self._scheduler.runner(name)
        if runner is not None and runner.ready and runner.in_use:
            raise ModelBusy(
                f"The model {name!r} is in use. Wait until it is idle, or unload it with "
                "?force=true."
            )

    async def _within_patience(self, step: Coroutine[Any, Any, T], what: str) -> T:
        """Run a step, which continues if the caller is cancelled or the time is up."""
        task = self._steps.start(step)
        await asyncio.wait({task}, timeout=CHANGE_PATIENCE)
        if not task.done():
            raise StoreUnavailable(
                f"{what} is still in progress after {CHANGE_PATIENCE:g} seconds, and continues. "
                "If this persists, check the disk of the model store.",
                retry_after=60,
            )
        return task.result()
