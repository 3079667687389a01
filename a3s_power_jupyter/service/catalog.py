"""The models on disk: register, list, show and delete them, and collect garbage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from ..contract.errors import ModelBusy, ModelNotFound
from ..contract.parameters import DefaultParameters, check_default_parameters
from ..contract.types import Manifest, ManifestProblem, Model, RegisterRequest, Removable
from ..hub.pull_manager import PullManager
from ..remote import Upstreams
from ..runtime.scheduler import Scheduler
from ..runtime.steps import Steps
from ..store.model_store import ModelStore
from .changes import Change, Changes
from .model_view import describe, describe_remote

T = TypeVar("T")


class Catalog:
    """The models of one home directory. No method blocks the event loop."""

    def __init__(
        self,
        store: ModelStore,
        scheduler: Scheduler,
        upstreams: Upstreams,
        pulls: PullManager,
        changes: Changes,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._upstreams = upstreams
        self._pulls = pulls
        self._changes = changes
        self._steps = Steps()
        # Hashing and copying take minutes and must not occupy the default executor.
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="power-store")

    async def manifest(self, name: str) -> Manifest:
        """Return the manifest of a model.

        Raises
        ------
        InvalidModelName
            If no model can have this name.
        ModelNotFound
            If no model has this name.
        ManifestUnreadable
            If the manifest is damaged.
        """
        return await asyncio.to_thread(self._store.get, name)

    async def manifests(self) -> list[Manifest]:
        """Return all manifests, sorted by name, and check remote models' upstreams if due."""
        manifests = await asyncio.to_thread(self._store.list)
        for manifest in manifests:
            if manifest.format == "remote":
                self._upstreams.refresh(manifest)
        return manifests

    async def problems(self) -> list[ManifestProblem]:
        """Return the manifests that cannot be read."""
        return await asyncio.to_thread(self._store.problems)

    async def model(self, name: str) -> Model:
        """Return a model with its current state. Raises as `manifest` does."""
        return self.describe(await self.manifest(name))

    async def models(self) -> list[Model]:
        """Return all models with their current state, sorted by name."""
        return [self.describe(manifest) for manifest in await self.manifests()]

    def describe(self, manifest: Manifest) -> Model:
        """Return the model of `manifest` with its current state."""
        if manifest.format == "remote":
            return describe_remote(manifest, self._upstreams.health(manifest))
        return describe(manifest, self._scheduler)

    async def register(self, request: RegisterRequest) -> Model:
        """Register a model. Registering the same content under the same name changes nothing.

        The registration continues if the caller is cancelled.

        Raises
        ------
        ModelBusy
            If the model to be overwritten is in use.
        PowerError
            If the request, the model's files or the store are at fault, with the codes that the
            contract lists for ``POST /v1/models``.
        """
        parameters = check_default_parameters(request.default_parameters)
        if request.upstream is not None:
            self._upstreams.check_key(request.upstream)
        if request.overwrite:
            self._refuse_if_busy(request.name)
        return await asyncio.shield(self._steps.start(self._register(request, parameters)))

    async def _register(self, request: RegisterRequest, parameters: DefaultParameters) -> Model:
        manifest, changed = await self._run_long(self._store.register, request, parameters)
        if changed and request.overwrite:
            await self._replaced(manifest.name)
        elif changed:
            # A new name, or the same content in other files. A loaded model stays loaded.
            self._changes.publish(Change("model", manifest.name))
        return self.describe(manifest)

    async def pulled(self, name: str, replaced: bool) -> None:
        """Announce a model that a pull has registered; unload it if its files were replaced."""
        if replaced:
            await self._replaced(name)
        else:
            self._changes.publish(Change("model", name))

    async def delete(self, name: str, *, force: bool = False) -> int:
        """Cancel the pull of a model, unload the model and remove it.

        The deletion continues if the caller is cancelled.

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
        """
        return await asyncio.shield(self._steps.start(self._delete(name, force)))

    async def _delete(self, name: str, force: bool) -> int:
        if not force:
            self._refuse_if_busy(name)
        partials = await self._pulls.forget(name)
        try:
            await self.manifest(name)
        except ModelNotFound:
            if partials is None:
                raise
            return partials
        await self._scheduler.unload(name, force=force)
        freed = await self._run_long(self._store.delete, name) + (partials or 0)
        self._forget(name)
        # A request may have loaded the model again before its manifest was gone.
        await self._scheduler.unload(name, force=True)
        return freed

    async def collect_garbage(
        self, *, dry_run: bool
    ) -> tuple[list[Removable], list[ManifestProblem]]:
        """Remove what no model needs, or only list it if `dry_run` is set.

        Returns
        -------
        removed : list of Removable
        problems : list of ManifestProblem
            Manifests that cannot be read. Blobs are kept while there are any.
        """
        removed = await self._run_long(partial(self._store.collect_garbage, dry_run=dry_run))
        return removed, await self.problems()

    def close(self) -> None:
        """Drop the registrations and deletions that have not started."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _replaced(self, name: str) -> None:
        await self._scheduler.unload(name, force=True, reason="replaced")
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Forget pin, failure and upstream health of a model that was deleted or replaced."""
        self._scheduler.forget(name)
        self._upstreams.forget(name)

    def _refuse_if_busy(self, name: str) -> None:
        runner = self._scheduler.runner(name)
        if runner is not None and runner.ready and runner.in_use:
            raise ModelBusy(f"The model {name!r} is in use. Wait until it is idle, or set force.")

    async def _run_long(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
