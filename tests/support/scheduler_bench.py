"""A scheduler with a fake clock, fake workers and a settable amount of free memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from a3s_power_jupyter.contract.errors import WorkerDied
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Delta, Manifest
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.runtime.interfaces import Limits, LoadPlan
from a3s_power_jupyter.runtime.scheduler import Scheduler
from support.fakes import FakeClock, FakeWorker, settle


class Bench:
    """A scheduler under test; also its observer.

    Attributes
    ----------
    workers : list of FakeWorker
        All workers started so far.
    free : int
        Bytes that the system reports as available.
    events : list of tuple
        Name of a model, and its new state or an event.
    uses : list of tuple
        Name and state of a model at each change of its use.
    queue : list of int
        Numbers of waiting requests, the current one last.
    loads_succeed : bool
        Whether loads succeed at once; otherwise the test completes them.
    """

    def __init__(self, **limits: float) -> None:
        self.clock = FakeClock()
        self.workers: list[FakeWorker] = []
        self.free = 1000
        self.events: list[tuple[str, str]] = []
        self.uses: list[tuple[str, str]] = []
        self.queue: list[int] = []
        self.loads_succeed = True
        self.scheduler = Scheduler(
            spawn=self._spawn,
            clock=self.clock,
            free_bytes=lambda: self.free,
            limits=Limits(
                max_models=int(limits.get("max_models", 2)),
                max_queue=int(limits.get("max_queue", 0)),
                load_timeout=limits.get("load_timeout", 60.0),
                memory=int(limits.get("memory", 0)),
            ),
            observer=self,
            log=logging.getLogger("test"),
        )

    def worker(self, name: str) -> FakeWorker:
        """Return the model's latest worker."""
        return next(w for w in reversed(self.workers) if w.name == name)

    def state(self, name: str) -> str:
        return self.scheduler.state(name)

    def plan(self, name: str, *, need: int = 10, keep_alive: float = 300.0) -> LoadPlan:
        async def prepare(_progress: object) -> Load:
            return Load("gguf", (f"/{name}.gguf",), LoadParameters())

        manifest = Manifest(name, "gguf", created=1)
        return fixed(LoadPlan(manifest, LoadParameters(), prepare, need, keep_alive, _never))

    async def ask(self, name: str, keep_alive: float | None = None, **plan: float) -> str:
        """Make a request that the worker answers at once, and return the answer."""
        text = ""
        load_plan = self.plan(name, **plan)  # type: ignore[arg-type]
        async with (
            self.scheduler.lease(load_plan, keep_alive) as lease,
            lease.slot() as worker,
        ):
            stream = worker.submit(CompletionRequest("x"))
            self.worker(name).answer()
            async for item in stream:
                text += item.text if isinstance(item, Delta) else ""
        return text

    async def hold(
        self, name: str, plan: LoadPlan | None = None
    ) -> tuple[asyncio.Task[None], asyncio.Event]:
        """Make a request that lasts until the event is set."""
        finish = asyncio.Event()

        async def request() -> None:
            async with self.scheduler.lease(plan or self.plan(name)):
                await finish.wait()

        task = asyncio.create_task(request())
        await settle()
        return task, finish

    async def _spawn(self, plan: LoadPlan, on_death: Callable[[WorkerDied], None]) -> FakeWorker:
        worker = FakeWorker(plan.name, on_death)
        self.workers.append(worker)
        if self.loads_succeed:
            worker.succeed()
        return worker

    # ------------------------------------------------------------ Observer

    def changed(self, name: str) -> None:
        self.events.append((name, self.state(name)))

    def used(self, name: str) -> None:
        self.uses.append((name, self.state(name)))

    def waiting(self, requests: int) -> None:
        self.queue.append(requests)

    def loaded(self, name: str, seconds: float) -> None:
        self.events.append((name, "is loaded"))

    def evicted(self, name: str, reason: str) -> None:
        self.events.append((name, f"evicted: {reason}"))


def with_num_ctx(bench: Bench, num_ctx: int) -> LoadPlan:
    return fixed(replace(bench.plan("a"), parameters=LoadParameters(num_ctx=num_ctx)))


def loaded_num_ctx(bench: Bench) -> object:
    runner = bench.scheduler.runner("a")
    assert runner is not None
    assert runner.ready
    return runner.plan.parameters.num_ctx


def fixed(plan: LoadPlan) -> LoadPlan:
    """Return the plan of a model that stays as it is registered."""

    async def renew() -> LoadPlan:
        return same

    same = replace(plan, renew=renew)
    return same


async def _never() -> LoadPlan:
    raise AssertionError("the plan is not complete")
