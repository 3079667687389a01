"""Catalog, loading and inference on fake workers, which take a fixed number of event loop steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

from a3s_power_jupyter.contract.errors import PowerError, StoreUnavailable, WorkerDied
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Delta,
    EmbeddingRequest,
    Manifest,
    RegisterRequest,
    TokenizeRequest,
)
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from a3s_power_jupyter.service.catalog import Catalog
from a3s_power_jupyter.service.changes import Change, Changes
from a3s_power_jupyter.service.inference import Inference
from a3s_power_jupyter.service.loading import Loading
from support.fakes import FakeWorker
from support.scheduler_bench import Bench
from support.step_fakes import FakeStore, InlineThreads, StepWorker, step, steps_of


class ServiceBench(Bench):
    """The models a and b, of which one can be loaded at a time.

    Attributes
    ----------
    tasks : list of asyncio.Task
        Tasks in the background, started with `begin`.
    release : asyncio.Event
        Ends the requests of `hold_model`.
    stalls, fails : bool
        Whether loads make no progress, or fail.
    """

    def __init__(self, **limits: float) -> None:
        super().__init__(max_models=1, **limits)
        self.tasks: list[asyncio.Task[Any]] = []
        self._cancelled: set[asyncio.Task[Any]] = set()
        self.release = asyncio.Event()
        self.stalls = self.fails = False
        changes = Changes()
        self._publish = changes.publish
        upstreams: Any = SimpleNamespace(forget=lambda name: None)
        pulls: Any = SimpleNamespace(forget=self._forget_pull, refuse_if_pulled=self._no_pull)
        planner: Any = SimpleNamespace(plan=self._plan)
        self._store = FakeStore()
        store: Any = self._store
        inline = InlineThreads("The store", StoreUnavailable)
        threads: Any = SimpleNamespace(home=inline, registrations=inline)
        self.catalog = Catalog(
            store, threads, self.scheduler, upstreams, pulls, changes, self.scheduler._log
        )
        self.loading = Loading(
            self.catalog, planner, self.scheduler, upstreams, changes, self.scheduler._log
        )
        self.inference = Inference(planner, self.scheduler, upstreams)

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self.tasks.append(task)
        return task

    def cancel(self, task: asyncio.Task[Any]) -> None:
        self._cancelled.add(task)
        task.cancel()

    async def generate(
        self,
        name: str,
        *,
        prompt: str = "x",
        prompts: int = 1,
        items: int | None = None,
        keep_alive: float | None = None,
    ) -> str:
        """Make a request, close it after `items` items, and return its texts."""
        manifest = await self.catalog.manifest(name)
        text, received = "", 0
        requests = [CompletionRequest(prompt) for _ in range(prompts)]
        async with aclosing(self.inference.generate(manifest, requests, keep_alive)) as stream:
            async for _index, item in stream:
                text += item.text if isinstance(item, Delta) else ""
                received += 1
                if received == items:
                    break
        return text

    async def embed(self, name: str) -> None:
        manifest = await self.catalog.manifest(name)
        await self.inference.embed(manifest, EmbeddingRequest(["x"]), None)

    async def count_tokens(self, name: str) -> None:
        manifest = await self.catalog.manifest(name)
        await self.inference.tokenize(manifest, TokenizeRequest("x"), None)

    async def load(self, name: str, **parameters: Any) -> None:
        async with aclosing(self._load(name, LoadParameters(**parameters))) as events:
            async for _event in events:
                pass

    async def register(self, name: str) -> None:
        await self.catalog.register(RegisterRequest(name, "/m.gguf", overwrite=True))

    async def hold_model(self, name: str) -> None:
        """Start a request that keeps the model busy."""
        self.begin(self.generate(name, prompt="hold"))
        await step(40)
        assert self.state(name) == "busy"

    async def release_later(self) -> None:
        await step(10)
        self.release.set()

    def _load(self, name: str, parameters: LoadParameters) -> AsyncGenerator[dict[str, Any], None]:
        return self.loading.load(name, parameters, None)

    def _plan(self, manifest: Manifest, requested: LoadParameters | None = None) -> LoadPlan:
        async def prepare(_progress: object) -> Load:
            await step()
            return Load("gguf", (), LoadParameters())

        async def renew() -> LoadPlan:
            await step()
            return self._plan(self._store.get(manifest.name), requested)

        return LoadPlan(manifest, requested or LoadParameters(), prepare, 10, 300.0, renew)

    async def _no_pull(self, name: str) -> None:
        """Let any name be registered: nothing is pulled here."""

    async def _forget_pull(self, _name: str) -> None:
        await step()

    async def _spawn(self, plan: LoadPlan, on_death: Callable[[WorkerDied], None]) -> FakeWorker:
        await step()
        worker = StepWorker(plan.name, on_death)
        worker.release = self.release
        worker.stalls, worker.fails = self.stalls, self.fails
        self.workers.append(worker)
        return worker

    def changed(self, name: str) -> None:
        super().changed(name)
        self._publish(Change("model", name))

    # ------------------------------------------------------------ checks

    async def check(self) -> None:
        """Check that nothing is left behind, and that both models can be used, then stop."""
        self.stalls = False
        self.release.set()
        await self._end_tasks()
        await step(40)
        for runner in self.scheduler.runners():
            assert not runner.unloading
            assert runner.leases == 0
            assert runner.ready
        in_use = {id(runner.worker) for runner in self.scheduler.runners()}
        assert all(worker.exited for worker in self.workers if id(worker) not in in_use)
        assert self.inference.active == self.loading.active == 0
        for name in "ab":
            await self._check_model(name)
        await self.stop()

    async def _check_model(self, name: str) -> None:
        await self._complete(self.register(name), "register")
        for _ in range(2):  # more than there are slots
            assert await self._complete(self.generate(name), "a request") == "ab"
        await self._complete(self.load(name, num_ctx=256), "a load")
        runner = self.scheduler.runner(name)
        assert runner is not None
        assert runner.plan.parameters.num_ctx == 256
        assert await self._complete(self.generate(name), "a request") == "ab"
        await self._complete(self.loading.unload(name), "an unload")
        assert self.state(name) == "unloaded"
        await self._complete(self.load(name), "a load")
        await self._complete(self.catalog.delete(name), "a deletion")
        assert self.state(name) == "unloaded"

    async def stop(self) -> None:
        """Stop the scheduler, and check that all tasks end and all workers have exited."""
        self.loading.stop()
        await self._complete(self.scheduler.stop(), "the stop")
        await self._end_tasks()
        assert self.scheduler.runners() == []
        assert all(worker.exited for worker in self.workers)
        self.release.set()
        await step(3)  # for tasks of the fakes

    async def _end_tasks(self) -> None:
        """Wait until the tasks end: with success, a `PowerError`, or cancelled by `cancel`."""
        for task in self.tasks:
            await steps_of(task)
            if not task.cancelled():
                assert isinstance(task.exception(), PowerError | None)
            else:
                assert task in self._cancelled

    async def _complete(self, work: Coroutine[Any, Any, Any], what: str) -> Any:
        task = asyncio.ensure_future(work)
        await steps_of(task, what)
        return task.result()
