"""Load, unload, pin and preload models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from ..contract.errors import InvalidParameter, PowerError
from ..contract.parameters import LoadParameters
from ..contract.types import Model
from ..remote import Upstreams
from ..runtime.scheduler import Scheduler
from .catalog import Catalog
from .changes import Change, Changes
from .load_plan import LoadPlanner


class Loading:
    """Explicit control of the models in memory. Requests load their models on their own.

    Attributes
    ----------
    active : int
        Loads in progress.
    """

    def __init__(
        self,
        catalog: Catalog,
        planner: LoadPlanner,
        scheduler: Scheduler,
        upstreams: Upstreams,
        changes: Changes,
        log: logging.Logger,
    ) -> None:
        self.active = 0
        self._catalog = catalog
        self._planner = planner
        self._scheduler = scheduler
        self._upstreams = upstreams
        self._changes = changes
        self._log = log
        self._preloads: list[asyncio.Task[None]] = []

    def preload(self, names: Iterable[str]) -> None:
        """Start to load models. A failure is logged and has no other effect."""
        self._preloads = [asyncio.ensure_future(self._preload(name)) for name in names]

    def stop(self) -> None:
        """Cancel the preloads in progress."""
        for task in self._preloads:
            task.cancel()

    async def load(
        self, name: str, parameters: LoadParameters, keep_alive: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Load a model and yield the progress.

        A loaded model is reloaded if `parameters` are given and differ from those it was loaded
        with, once the requests that it processes have ended. Requests that wait for the model use
        the reloaded one. Closing the generator cancels a load, unless a request waits for it, but
        not a reload, because the model as it was is gone.

        Yields
        ------
        dict
            ``{"status": "converting", "progress": 0..1}`` during a conversion to GGUF, then
            ``{"status": "loading", "progress": 0..1}``, and at last
            ``{"status": "success", "model": Model}``.

        Raises
        ------
        PowerError
            If there is no such model, or the load fails.
        """
        manifest = await self._catalog.manifest(name)
        if manifest.format == "remote":
            if parameters != LoadParameters():
                raise InvalidParameter(
                    "A remote model is loaded by its upstream. Omit the load parameters."
                )
            await self._upstreams.check(manifest)
            yield {"status": "success", "model": self._catalog.describe(manifest)}
            return
        plan = self._planner.plan(manifest, parameters)
        reload = parameters != LoadParameters()
        self.active += 1
        try:
            with self._changes.subscribe() as changes:
                loading = asyncio.ensure_future(
                    self._scheduler.load(plan, keep_alive, reload=reload)
                )
                loading.add_done_callback(lambda task: self._on_loaded(name, task))
                try:
                    async for changed in changes:
                        if loading.done():
                            break
                        if Change("model", name) in changed:
                            yield self._progress(name)
                    await loading
                finally:
                    if not loading.done():
                        await self._cancel(name, loading)
        finally:
            self.active -= 1
        yield {"status": "success", "model": await self._catalog.model(name)}

    async def unload(self, name: str, *, force: bool = False) -> Model:
        """Stop the model's worker or cancel its load. An unloaded model stays as it is.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        ModelBusy
            If requests use the model or wait for its load, and `force` is not set.
        """
        manifest = await self._catalog.manifest_in_memory(name)
        if manifest.format == "remote":
            self._upstreams.forget(name)
        else:
            await self._scheduler.unload(name, force=force)
        return self._catalog.describe(manifest)

    async def pin(self, name: str, pinned: bool) -> Model:
        """Set whether a model is exempt from eviction and idle unloading once it is loaded.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        """
        manifest = await self._catalog.manifest(name)
        self._scheduler.pin(name, pinned)
        return self._catalog.describe(manifest)

    def _progress(self, name: str) -> dict[str, Any]:
        runner = self._scheduler.runner(name)
        if runner is None or runner.outdated:
            return {"status": "loading", "progress": 0.0}
        return {"status": runner.phase, "progress": runner.progress}

    def _on_loaded(self, name: str, loading: asyncio.Task[None]) -> None:
        # Retrieve the exception: if the client has left, asyncio would log it as never retrieved.
        loading.cancelled() or loading.exception()
        self._changes.publish(Change("model", name))  # wakes `load`

    async def _cancel(self, name: str, loading: asyncio.Task[None]) -> None:
        loading.cancel()
        await asyncio.wait({loading})
        runner = self._scheduler.runner(name)
        if runner is not None and runner.state == "loading" and not runner.in_use:
            await self._scheduler.unload(name)

    async def _preload(self, name: str) -> None:
        try:
            async for _event in self.load(name, LoadParameters(), None):
                pass
        except PowerError as error:
            self._log.error("Power: could not preload %s: %s", name, error.message)
