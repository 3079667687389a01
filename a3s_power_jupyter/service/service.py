"""The service behind the routes: builds the parts, starts and stops them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from .. import __version__
from ..assistant.prompts import AssistantPrompts
from ..contract.errors import PowerError
from ..contract.types import Device, ManifestProblem
from ..convert.conversion_manager import ConversionManager
from ..hub.pull import PullCallbacks
from ..hub.pull_manager import PullManager
from ..hub.search.query_process import QueryProcess
from ..ipc.environment import offline_environment, pull_environment
from ..remote import Upstreams
from ..runtime.clock import SystemClock
from ..runtime.interfaces import Limits
from ..runtime.memory import free_bytes
from ..runtime.probe import MachineProbe, ask
from ..runtime.scheduler import Scheduler
from ..runtime.worker import Worker, WorkerContext
from ..store.model_store import ModelStore
from ..store.scan.places import known_places
from ..store.threads import StoreThreads
from .assistant import Assistant
from .catalog import Catalog
from .changes import Change, Changes
from .copies import Copies
from .defaults import Defaults
from .estimates import Estimates
from .event_feed import EventFeed
from .fits import MachineMemory
from .headers import Headers
from .hub_search import HubSearch
from .inference import Inference
from .load_plan import LoadPlanner
from .loading import Loading
from .local_models import LocalModelFinder
from .memory_usage import MemoryUsage
from .observer import Metrics, RuntimeObserver
from .recommended import Recommended
from .settings import Settings


class PowerService:
    """Everything the routes offer, without HTTP.

    All methods of its parts are called on the event loop and none blocks it. They raise
    `PowerError` for mistakes of the user and failures of the environment; anything else is a bug.

    Attributes
    ----------
    assistant : Assistant
        Chats and presets.
    catalog : Catalog
        The models on disk.
    loading : Loading
        The models in memory.
    inference : Inference
        Generation and embeddings.
    pulls : PullManager
        Downloads from the hub.
    copies : Copies
        Further names for models.
    defaults : Defaults
        Changes of default parameters.
    headers : Headers
        What the files of models say about themselves.
    events : EventFeed
        Changes of models and pulls.
    hub : HubSearch
        Searches of the hub, and its token.
    memory : MachineMemory
        What one model may use.
    local_models : LocalModelFinder
        Models that other programs have downloaded.
    recommended : Recommended
        Models to begin with.
    """

    def __init__(self, settings: Settings, log: logging.Logger, metrics: Metrics) -> None:
        self._settings = settings
        self._log = log
        self._started = time.monotonic()
        environment = partial(offline_environment, settings.upstream_key_pattern)
        clock = SystemClock()
        workers = WorkerContext(settings.step_timeout, clock, environment, log)
        self._machine = MachineProbe(log, environment, clock)
        changes = Changes()
        store = ModelStore(
            settings.home,
            keep_prompts=settings.keeps_prompts,
            shared_homes=settings.shared_homes,
        )
        self._threads = threads = StoreThreads(settings.home)
        conversions = ConversionManager(
            settings.home, store, threads, settings.load_timeout, log, environment
        )
        planner = LoadPlanner(settings, store, threads, conversions, self._machine.gpus)
        observer = RuntimeObserver(metrics, changes, lambda: scheduler.runners(), clock)
        self._scheduler = scheduler = Scheduler(
            spawn=lambda plan, on_death: Worker.spawn(plan, on_death, workers),
            clock=clock,
            free_bytes=free_bytes,
            limits=Limits(
                max_models=settings.max_loaded_models,
                max_queue=settings.max_queue,
                load_timeout=settings.load_timeout,
                memory=settings.memory_limit,
            ),
            observer=observer,
            log=log,
        )
        self.memory = MachineMemory(self._memory_of_one_model, self._gpus)
        self._upstreams = upstreams = Upstreams(
            settings.remote_timeout,
            settings.upstream_key_pattern,
            changed=observer.changed,
            used=observer.used,
            failed=metrics.upstream_failed,
        )
        self.pulls = PullManager(
            settings.home,
            store,
            threads.home,
            settings.max_pulls,
            self._memory_of_one_model,
            PullCallbacks(
                on_registered=lambda name, replaced: self.catalog.registered(name, replaced),
                on_change=lambda name: changes.publish(Change("pull", name)),
                on_received=metrics.pulled,
            ),
            log,
            environment=partial(pull_environment, settings.upstream_key_pattern),
        )
        self.catalog = Catalog(store, threads, scheduler, upstreams, self.pulls, changes, log)
        self.assistant = Assistant(settings.assistant_dir or settings.home / "assistant", changes)
        self.local_models = LocalModelFinder(
            self.catalog, threads.scans, lambda: known_places(os.environ, Path.home())
        )
        self.recommended = Recommended(settings.recommended_models, self.catalog, self.memory)
        self.prompts = AssistantPrompts(settings.prompts)
        self._queries = QueryProcess(
            log, environment=partial(pull_environment, settings.upstream_key_pattern)
        )
        self.hub = HubSearch(self._queries, self.catalog, self.memory)
        self.copies = Copies(self.catalog, self.pulls, store, threads.home)
        self.defaults = Defaults(self.catalog, planner, scheduler, store, threads.home, changes)
        self.headers = Headers(store, threads.files)
        self.loading = Loading(self.catalog, planner, scheduler, upstreams, changes, log)
        self._memory = memory = MemoryUsage(
            scheduler.runners, self._machine.gpus, settings.memory_limit
        )
        self.estimates = Estimates(
            self.catalog,
            planner,
            scheduler,
            partial(ask, environment=environment, log=log),
            memory.refresh,
        )
        self.inference = Inference(planner, scheduler, upstreams)
        self.events = EventFeed(self.catalog, self.pulls, self.assistant, memory, changes)

    async def start(self) -> None:
        """Check the store, and start to load the models of the setting `preload`."""
        self.catalog.start()
        self.loading.preload(self._settings.preload)
        for problem in self._file_problems:
            self._log.error("Power: %s", problem)

    async def stop(self) -> None:
        """Pause all pulls and stop all workers and registrations; return once they have exited."""
        self.loading.stop()
        self._threads.close()
        self.assistant.close()
        await asyncio.gather(
            self.catalog.stop(),
            self.pulls.stop(),
            self._queries.stop(),
            self._scheduler.stop(),
            self._upstreams.close(),
        )

    @property
    def active_requests(self) -> int:
        """Inference requests, loads and pulls in progress."""
        return self.inference.active + self.loading.active + self.pulls.active

    @property
    def _file_problems(self) -> list[str]:
        """Why files of the settings are not used."""
        return [p for p in (self.recommended.problem, self.prompts.problem) if p is not None]

    async def health(self) -> dict[str, Any]:
        """Return the reply of ``GET /v1/health``.

        The first call starts an engine to list its devices, which takes seconds.
        """
        probe = await self._machine.get()
        engines = probe.engines
        await self._memory.find_gpus()
        hints = [engine.hint for engine in engines.values() if engine.hint is not UNSET]
        hints += self._file_problems
        problems: list[ManifestProblem] = []
        try:
            problems = await self.catalog.problems()
        except PowerError as error:
            hints.append(error.message)
        return {
            "status": "ok",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "loaded_models": sorted(r.name for r in self._scheduler.runners() if r.ready),
            "devices": msgspec.to_builtins(probe.devices),
            "memory": msgspec.to_builtins(self._memory.now()),
            "engines": msgspec.to_builtins(engines),
            "home": str(self._settings.home),
            "shared_homes": [str(home) for home in self._settings.shared_homes],
            "hints": hints,
            "problems": msgspec.to_builtins(problems),
        }

    async def _gpus(self) -> list[Device]:
        """Return the GPUs that models are put on by default."""
        return [] if self._settings.gpu_layers == 0 else await self._machine.gpus()

    def _memory_of_one_model(self) -> int:
        """Return the bytes that one model can use once all loaded models are unloaded."""
        used = sum(r.worker.memory_bytes for r in self._scheduler.runners() if r.worker)
        return self._settings.memory_limit or free_bytes() + used
