"""The one door: every operation of the product is a method here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from .. import __version__
from ..contract.errors import ModelBusy, ModelNotFound, PowerError, PullStateNotFound
from ..contract.parameters import LoadParameters, check_default_parameters
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Embedded,
    EmbeddingRequest,
    Finished,
    Manifest,
    ManifestProblem,
    Model,
    PullRequest,
    PullStatus,
    RegisterRequest,
    Removable,
    Route,
    Started,
)
from ..convert.conversion_manager import Conversions
from ..hub.pull_manager import Listener, Pulls
from ..remote import Upstreams
from ..remote.upstreams import FRESH
from ..runtime.clock import SystemClock
from ..runtime.interfaces import Limits, LoadPlan
from ..runtime.memory import free_bytes
from ..runtime.probe import MachineProbe
from ..runtime.scheduler import Scheduler
from ..runtime.worker import Worker
from ..store.model_store import ModelStore
from .changes import Change, Changes
from .defaults import with_defaults
from .load_plan import make_load_plan
from .model_view import describe, describe_remote
from .observer import Metrics, RuntimeObserver
from .settings import Settings

T = TypeVar("T")


class PowerService:
    """Models on disk, models in memory, and what is asked of them.

    Every method is called on the event loop and none blocks it. A `PowerError` is what the
    user did or met; anything else is a bug.
    """

    def __init__(self, settings: Settings, log: logging.Logger, metrics: Metrics) -> None:
        self._settings = settings
        self._log = log
        self._store = ModelStore(settings.home)
        self._changes = Changes()
        self._machine = MachineProbe(log)
        self._started = time.monotonic()
        self._instance = secrets.token_hex(8)
        self._active = 0
        self._preloading: set[asyncio.Task[None]] = set()
        # Hashing and copying take minutes; the default executor is for what is quick.
        self._slow = ThreadPoolExecutor(max_workers=2, thread_name_prefix="power-store")
        self._scheduler = Scheduler(
            spawn=lambda name, on_death: Worker.spawn(name, on_death, log),
            clock=SystemClock(),
            free_bytes=free_bytes,
            limits=Limits(
                max_models=settings.max_loaded_models,
                max_queue=settings.max_queue,
                load_timeout=settings.load_timeout,
                memory=settings.memory_limit,
            ),
            observer=RuntimeObserver(metrics, self._changes, lambda: self._scheduler.runners()),
            log=log,
        )
        self._conversions = Conversions(settings.home, self._store, settings.load_timeout, log)
        self._upstreams = Upstreams(settings.remote_timeout, self._model_changed)
        self._pulls = Pulls(
            settings.home,
            self._store,
            settings.max_pulls,
            self._memory_for_a_model,
            Listener(self._pulled, self._pull_changed, metrics.pulled),
            log,
        )

    async def start(self) -> None:
        """Begin to load the models of `preload`; a failure is logged and ends nothing."""
        for name in self._settings.preload:
            task = asyncio.ensure_future(self._preload(name))
            self._preloading.add(task)
            task.add_done_callback(self._preloading.discard)

    async def stop(self) -> None:
        """Pause all pulls and end all workers; returns when none is left."""
        for task in self._preloading:
            task.cancel()
        await asyncio.gather(self._pulls.stop(), self._scheduler.stop(), self._upstreams.close())
        self._slow.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ models on disk

    async def register(self, request: RegisterRequest) -> Model:
        """Make a model known; the same content under the same name is no change.

        Raises
        ------
        PowerError
            The codes of ``POST /v1/models`` in the contract; `ModelBusy` if the model to be
            overwritten is answering.
        """
        parameters = check_default_parameters(request.default_parameters)
        if request.overwrite:
            self._refuse_if_busy(request.name)
        manifest, changed = await self._slowly(self._store.register, request, parameters)
        if changed and request.overwrite:
            await self._scheduler.unload(manifest.name, force=True, reason="replaced")
            self._forget(manifest.name)
        elif changed:  # a new name; or the same content, seen anew, which may stay loaded
            self._model_changed(manifest.name)
        return self._describe(manifest)

    async def models(self) -> list[Model]:
        """All models, sorted by name; whether remote ones answer is found out meanwhile."""
        return [self._describe(manifest) for manifest in await self._manifests()]

    async def model(self, name: str) -> Model:
        return self._describe(await self._manifest(name))

    async def delete(self, name: str, *, force: bool = False) -> int:
        """Cancel the pull of a model, unload and remove it.

        Returns
        -------
        int
            Bytes of blobs that no other model names, and of partial files, now gone.

        Raises
        ------
        ModelNotFound, ModelBusy
        """
        if not force:
            self._refuse_if_busy(name)
        partials = await self._pulls.forget(name)
        try:
            await self._manifest(name)
        except ModelNotFound:
            if partials is None:
                raise
            return partials
        await self._scheduler.unload(name, force=force)
        freed = await self._slowly(self._store.delete, name) + (partials or 0)
        self._forget(name)
        # A request may have loaded it again while it was being deleted.
        await self._scheduler.unload(name, force=True)
        return freed

    async def collect_garbage(
        self, *, dry_run: bool
    ) -> tuple[list[Removable], list[ManifestProblem]]:
        """What no model needs, removed unless `dry_run`; and manifests that cannot be read."""
        removable = await self._slowly(partial(self._store.collect_garbage, dry_run=dry_run))
        return removable, await asyncio.to_thread(self._store.problems)

    # ------------------------------------------------------------ pulls

    def pull(self, request: PullRequest) -> AsyncGenerator[dict[str, Any], None]:
        """Begin, join or take up a pull: the events of ``POST /v1/models/pull``.

        It goes on when the generator is closed. What fails before the first event is raised;
        what fails later is an event.
        """
        return self._pulls.pull(request)

    async def pull_in_background(self, request: PullRequest) -> PullStatus:
        return await self._pulls.pull_in_background(request)

    async def pulls(self) -> list[PullStatus]:
        """All pulls that are known, by name."""
        return await self._pulls.all()

    async def pull_status(self, name: str) -> PullStatus:
        """Raises `PullStateNotFound`."""
        return await self._pulls.status(name)

    async def pause_pull(self, name: str) -> PullStatus:
        """Stop a pull such that it can go on. Raises `PullStateNotFound`, `ModelBusy`."""
        return await self._pulls.pause(name)

    async def cancel_pull(self, name: str, *, keep_partial: bool = False) -> PullStatus:
        """Stop a pull for good. Raises `PullStateNotFound`, `ModelBusy`."""
        return await self._pulls.cancel(name, keep_partial=keep_partial)

    # ------------------------------------------------------------ models in memory

    async def load(
        self, name: str, parameters: LoadParameters, keep_alive: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Load a model, telling its progress.

        Yields ``{"status": "loading", "progress": 0..1}``, before that perhaps the same with the
        status ``converting``, and at last ``{"status": "success",
        "model": Model}``. Parameters other than those it is loaded with load it again. Closing
        the generator stops the load, unless a request waits for it.

        Raises
        ------
        ModelBusy
            It would have to be loaded again while it answers.
        PowerError
            The load failed.
        """
        manifest = await self._manifest(name)
        if manifest.format == "remote":
            await self._upstreams.check(manifest)
            yield {"status": "success", "model": self._describe(manifest)}
            return
        plan = self._load_plan(manifest, parameters)
        runner = self._scheduler.runner(name)
        asked = parameters != LoadParameters()
        if asked and runner is not None and runner.plan.parameters != plan.parameters:
            await self._scheduler.unload(name, reason="reload")
        with self._counted(), self._changes.subscribe() as changes:
            loading = asyncio.ensure_future(self._scheduler.load(plan, keep_alive))
            loading.add_done_callback(lambda _task: self._model_changed(name))
            try:
                async for changed in changes:
                    if loading.done():
                        break
                    if Change("model", name) in changed:
                        yield self._progress(name)
                await loading
            finally:
                if not loading.done():
                    await self._stop_loading(name, loading)
        yield {"status": "success", "model": await self.model(name)}

    async def unload(self, name: str, *, force: bool = False) -> Model:
        """End the model's worker, or its load; a model that is not loaded is no error.

        Raises
        ------
        ModelNotFound, ModelBusy
        """
        manifest = await self._manifest(name)
        if manifest.format == "remote":
            self._upstreams.forget(name)
        else:
            await self._scheduler.unload(name, force=force)
        return self._describe(manifest)

    async def pin(self, name: str, pinned: bool) -> Model:
        """A pinned model stays once it is loaded: it is neither evicted nor unloaded when idle."""
        manifest = await self._manifest(name)
        self._scheduler.pin(name, pinned)
        return self._describe(manifest)

    # ------------------------------------------------------------ inference

    async def generate(
        self, name: str, request: ChatRequest | CompletionRequest, keep_alive: float | None
    ) -> AsyncGenerator[Started | Delta | Finished, None]:
        """Generate text, item by item, `Finished` last; loads the model first if need be.

        Closing the generator stops the generation and returns when its slot is free.

        Raises
        ------
        PowerError
            The load failed, the worker died, or the request cannot be served.
        """
        manifest = await self._manifest(name)
        request = with_defaults(request, manifest.default_parameters)
        with self._counted():
            async with self._scheduler.lease(self._load_plan(manifest), keep_alive) as worker:
                stream = worker.submit(request)
                try:
                    async for item in stream:
                        if not isinstance(item, Embedded):
                            yield item
                finally:
                    await stream.close()

    async def embed(
        self, name: str, request: EmbeddingRequest, keep_alive: float | None
    ) -> Embedded:
        """Vectors of texts, one row each, L2-normalised. Raises as `generate` does."""
        manifest = await self._manifest(name)
        with self._counted():
            async with self._scheduler.lease(self._load_plan(manifest), keep_alive) as worker:
                stream = worker.submit(request)
                try:
                    async for item in stream:
                        if isinstance(item, Embedded):
                            return item
                finally:
                    await stream.close()
        raise RuntimeError("the engine ended an embedding without a result")

    async def is_remote(self, name: str) -> bool:
        """Whether `name` is a model whose requests are forwarded; False if there is no such."""
        try:
            return (await self._manifest(name)).format == "remote"
        except PowerError:
            return False

    async def forward(self, name: str, route: Route, body: dict[str, Any]) -> dict[str, Any]:
        """The reply of a remote model's upstream to the body of a request, which is its to judge.

        Raises
        ------
        PowerError
            The upstream does not answer, or refuses.
        """
        with self._counted():
            return await self._upstreams.reply(await self._manifest(name), route, body)

    async def forward_stream(
        self, name: str, route: Route, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """As `forward`, event by event. Closing the generator ends the request at the upstream."""
        with self._counted():
            manifest = await self._manifest(name)
            async with contextlib.aclosing(self._upstreams.stream(manifest, route, body)) as events:
                async for event in events:
                    yield event

    # ------------------------------------------------------------ looking on

    @property
    def active_requests(self) -> int:
        """Inference requests, loads and pulls under way."""
        return self._active + self._pulls.active

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """A snapshot of all models and pulls, then each that changed, for ever."""
        with self._changes.subscribe() as changes:
            models, pulls = await self.models(), await self.pulls()
            yield {
                "type": "snapshot",
                "instance": self._instance,
                "models": models,
                "pulls": pulls,
            }
            watching = asyncio.ensure_future(self._watch_upstreams())
            try:
                async for changed in changes:
                    found = await self._changed_on_disk(changed)
                    for change in changed:
                        yield await self._event(change, found)
            finally:
                watching.cancel()

    async def _watch_upstreams(self) -> None:
        """Keep looking, as long as somebody watches, whether remote models answer."""
        while True:
            await asyncio.sleep(FRESH)
            await self._manifests()

    async def _changed_on_disk(self, changed: list[Change]) -> dict[str, Manifest]:
        """The models among `changed` that are there; one look at the store serves all."""
        names = {change.name for change in changed if change.kind == "model"}
        manifests = await asyncio.to_thread(self._store.list) if names else []
        return {manifest.name: manifest for manifest in manifests if manifest.name in names}

    async def _event(self, change: Change, found: dict[str, Manifest]) -> dict[str, Any]:
        if change.kind == "model":
            manifest = found.get(change.name)
            if manifest is None:
                return {"type": "model_deleted", "id": change.name}
            return {"type": "model", "model": self._describe(manifest)}
        try:
            return {"type": "pull", "pull": await self.pull_status(change.name)}
        except PullStateNotFound:
            return {"type": "pull_deleted", "name": change.name}

    async def health(self) -> dict[str, Any]:
        """The reply of ``GET /v1/health``; the first one asks the engines and takes seconds."""
        probe = await self._machine.get()
        engines = probe.engines
        return {
            "status": "ok",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "loaded_models": sorted(r.name for r in self._scheduler.runners() if r.ready),
            "devices": msgspec.to_builtins(probe.devices),
            "engines": msgspec.to_builtins(engines),
            "home": str(self._settings.home),
            "hints": [engine.hint for engine in engines.values() if engine.hint is not UNSET],
            "problems": msgspec.to_builtins(await asyncio.to_thread(self._store.problems)),
        }

    # ------------------------------------------------------------ told by the pulls

    async def _pulled(self, name: str, replaced: bool) -> None:
        if replaced:
            await self._scheduler.unload(name, force=True, reason="replaced")
            self._forget(name)
        self._model_changed(name)

    def _model_changed(self, name: str) -> None:
        self._changes.publish(Change("model", name))

    def _pull_changed(self, name: str) -> None:
        self._changes.publish(Change("pull", name))

    def _memory_for_a_model(self) -> int:
        """Bytes that a model may take once the loaded ones have gone."""
        taken = sum(r.worker.memory_bytes for r in self._scheduler.runners() if r.worker)
        return self._settings.memory_limit or free_bytes() + taken

    # ------------------------------------------------------------ helpers

    async def _manifests(self) -> list[Manifest]:
        """All models on disk; whether remote ones answer is found out meanwhile."""
        manifests = await asyncio.to_thread(self._store.list)
        for manifest in manifests:
            if manifest.format == "remote":
                self._upstreams.look(manifest)
        return manifests

    async def _manifest(self, name: str) -> Manifest:
        return await asyncio.to_thread(self._store.get, name)

    def _describe(self, manifest: Manifest) -> Model:
        if manifest.format == "remote":
            return describe_remote(manifest, self._upstreams.health(manifest))
        return describe(manifest, self._scheduler)

    def _forget(self, name: str) -> None:
        self._scheduler.forget(name)
        self._upstreams.forget(name)

    def _load_plan(self, manifest: Manifest, asked: LoadParameters | None = None) -> LoadPlan:
        return make_load_plan(manifest, asked, self._settings, self._store, self._conversions)

    def _refuse_if_busy(self, name: str) -> None:
        runner = self._scheduler.runner(name)
        if runner is not None and runner.ready and runner.in_use:
            raise ModelBusy(f"The model {name!r} is in use; wait until it is idle, or use force.")

    def _progress(self, name: str) -> dict[str, Any]:
        runner = self._scheduler.runner(name)
        if runner is None:
            return {"status": "loading", "progress": 0.0}
        return {"status": runner.phase, "progress": runner.progress}

    async def _stop_loading(self, name: str, loading: asyncio.Task[None]) -> None:
        loading.cancel()
        await asyncio.wait({loading})
        runner = self._scheduler.runner(name)
        if runner is not None and not runner.ready and not runner.in_use:
            await self._scheduler.unload(name)

    async def _preload(self, name: str) -> None:
        try:
            async for _event in self.load(name, LoadParameters(), None):
                pass
        except PowerError as error:
            self._log.error("Power: could not preload %s: %s", name, error.message)

    async def _slowly(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._slow, function, *args)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
