"""Interrupt each operation at every step, and check that nothing is left behind.

An operation is run once to count its steps of the event loop, and then once for each of them, to be
interrupted there: by a client that leaves, another operation, a worker that dies, or the shutdown.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from support.service_bench import ServiceBench, StepWorker, step, steps_of

Action = Callable[[ServiceBench], Coroutine[Any, Any, Any]]


async def nothing(bench: ServiceBench) -> None: ...


async def loaded(bench: ServiceBench) -> None:
    await bench.load("a")


async def other_loaded(bench: ServiceBench) -> None:
    await bench.load("b")


async def busy(bench: ServiceBench) -> None:
    await bench.hold_model("a")


async def queueing(bench: ServiceBench) -> None:
    await bench.hold_model("a")
    bench.begin(bench.generate("a"))
    await step(8)


async def loading(bench: ServiceBench) -> None:
    bench.begin(bench.generate("a"))
    await step(8)
    assert bench.state("a") == "loading"


async def reloading(bench: ServiceBench) -> None:
    await bench.load("a")
    bench.begin(bench.load("a", num_ctx=64))
    while bench.state("a") != "unloading":
        await step()


async def request_that_waits_for_a_slot(bench: ServiceBench) -> None:
    bench.begin(bench.release_later())
    await bench.generate("a")


async def reload_of_a_busy_model(bench: ServiceBench) -> None:
    bench.begin(bench.release_later())
    await bench.load("a", num_ctx=64)


async def request_that_waits_for_a_busy_model(bench: ServiceBench) -> None:
    bench.begin(bench.release_later())
    await bench.generate("b")


async def stalling(bench: ServiceBench) -> None:
    bench.stalls = True


async def load_that_stalls(bench: ServiceBench) -> None:
    bench.begin(stall(bench))
    await bench.load("a")


async def stall(bench: ServiceBench) -> None:
    await step(50)
    bench.clock.skip(70)


SCENARIOS: dict[str, tuple[Action, Action]] = {
    "load": (nothing, lambda bench: bench.load("a")),
    "load that stalls": (stalling, load_that_stalls),
    "request that loads": (nothing, lambda bench: bench.generate("a")),
    "request that joins a load": (loading, lambda bench: bench.generate("a")),
    "request during a reload": (reloading, lambda bench: bench.generate("a")),
    "request that evicts": (other_loaded, lambda bench: bench.generate("a")),
    "request that waits for a slot": (busy, request_that_waits_for_a_slot),
    "request that waits for a busy model": (busy, request_that_waits_for_a_busy_model),
    "request with keep_alive 0": (loaded, lambda bench: bench.generate("a", keep_alive=0.0)),
    "request with several prompts": (loaded, lambda bench: bench.generate("a", prompts=3)),
    "closed generator": (nothing, lambda bench: bench.generate("a", items=2)),
    "tokens": (nothing, lambda bench: bench.count_tokens("a")),
    "tokens of a busy model": (queueing, lambda bench: bench.count_tokens("a")),
    "tokens during a reload": (reloading, lambda bench: bench.count_tokens("a")),
    "embedding": (nothing, lambda bench: bench.embed("a")),
    "reload of an idle model": (loaded, lambda bench: bench.load("a", num_ctx=64)),
    "reload of a busy model": (busy, reload_of_a_busy_model),
    "reload of a model with a queue": (queueing, reload_of_a_busy_model),
    "reload during a load": (loading, lambda bench: bench.load("a", num_ctx=64)),
    "unload": (loaded, lambda bench: bench.loading.unload("a")),
    "unload during a load": (loading, lambda bench: bench.loading.unload("a")),
    "forced unload": (busy, lambda bench: bench.loading.unload("a", force=True)),
    "delete": (loaded, lambda bench: bench.catalog.delete("a")),
    "forced delete": (busy, lambda bench: bench.catalog.delete("a", force=True)),
    "forced delete during a load": (loading, lambda bench: bench.catalog.delete("a", force=True)),
    "register with overwrite": (loaded, lambda bench: bench.register("a")),
    "preload": (nothing, lambda bench: bench.loading._preload("a")),
}


async def cancel(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    bench.cancel(task)


async def cancel_twice(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    bench.cancel(task)
    await step(2)
    bench.cancel(task)


async def unload(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    bench.begin(bench.loading.unload("a", force=True))


async def load_with_parameters(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    bench.begin(bench.load("a", num_ctx=512))


async def cancelled_load_with_parameters(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    other = bench.begin(bench.load("a", num_ctx=512))
    await step(4)
    bench.cancel(other)


async def kill_workers(bench: ServiceBench, task: asyncio.Task[Any]) -> None:
    for worker in bench.workers:
        runner = bench.scheduler.runner(worker.name)
        if isinstance(worker, StepWorker) and runner is not None and runner.worker is worker:
            worker.die()


INTERRUPTS = [
    cancel,
    cancel_twice,
    unload,
    load_with_parameters,
    cancelled_load_with_parameters,
    kill_workers,
]


async def start(name: str) -> tuple[ServiceBench, asyncio.Task[Any]]:
    prepare, action = SCENARIOS[name]
    bench = ServiceBench()
    await prepare(bench)
    return bench, bench.begin(action(bench))


async def count_steps(name: str) -> int:
    bench, task = await start(name)
    count = await steps_of(task, name)
    await bench.check()
    return count


@pytest.fixture(scope="module", autouse=True)
def _no_lost_errors() -> Iterator[None]:
    """Fail on errors of tasks that nothing waited for, which asyncio logs."""
    lost: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lost.append  # type: ignore[method-assign]
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    yield
    gc.collect()
    logger.removeHandler(handler)
    assert [record.getMessage() for record in lost] == []


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_an_interrupt_at_any_step_leaves_nothing_behind(name: str, interrupt: Any) -> None:
    for moment in range(await count_steps(name) + 1):
        bench, task = await start(name)
        await step(moment)
        await interrupt(bench, task)
        try:
            await bench.check()
        except AssertionError as error:
            raise AssertionError(f"{interrupt.__name__} at step {moment} of {name}") from error


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_scheduler_stops_at_any_step(name: str) -> None:
    for moment in range(await count_steps(name) + 1):
        bench, _task = await start(name)
        await step(moment)
        await bench.stop()
