"""A request that ends leaves nothing for the garbage collector, however it ends."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from a3s_power_jupyter.contract.errors import PowerError
from support.service_bench import ServiceBench
from support.step_fakes import StepWorker, step


class Body:
    """Stands for the body of a request."""


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def request(bench: ServiceBench, bodies: list[weakref.ref[Body]], prompts: int) -> str:
    """Make a request with a body in a local variable, as handlers do."""
    body = Body()
    bodies.append(weakref.ref(body))
    try:
        return await bench.generate("a", prompts=prompts)
    except PowerError as error:
        return error.code


async def bodies_after(bench: ServiceBench, *, prompts: int, cancel_at: int | None = None) -> str:
    bodies: list[weakref.ref[Body]] = []
    task = asyncio.ensure_future(request(bench, bodies, prompts))
    outcome = "cancelled"
    if cancel_at is None:
        outcome = await task
    else:
        await step(cancel_at)
        task.cancel()
        await asyncio.wait({task})
    del task
    await step(3)
    assert bodies[0]() is None
    return outcome


@pytest.mark.parametrize("prompts", [1, 5])
async def test_a_request_that_is_answered(prompts: int) -> None:
    assert await bodies_after(ServiceBench(), prompts=prompts) == "ab" * prompts


@pytest.mark.parametrize("prompts", [1, 5])
@pytest.mark.parametrize("cancel_at", range(1, 40, 3))
async def test_a_client_that_leaves(prompts: int, cancel_at: int) -> None:
    bench = ServiceBench()
    await bodies_after(bench, prompts=prompts, cancel_at=cancel_at)
    await bench.stop()


async def test_a_model_that_cannot_be_loaded() -> None:
    bench = ServiceBench()
    bench.fails = True
    assert await bodies_after(bench, prompts=1) == "model_load_failed"
    assert bench.scheduler.failure("a") is not None
    await bench.stop()


@pytest.mark.parametrize("prompts", [1, 5])
async def test_a_prompt_that_fails(prompts: int) -> None:
    bench = ServiceBench()
    await bench.load("a")
    worker = bench.worker("a")
    assert isinstance(worker, StepWorker)
    worker.failing = 0
    assert await bodies_after(bench, prompts=prompts) == "context_length_exceeded"
    await bench.stop()
