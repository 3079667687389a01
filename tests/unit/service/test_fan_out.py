"""Requests with several prompts, on fake workers with one slot."""

from __future__ import annotations

import asyncio

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, PowerError, ServerBusy
from a3s_power_jupyter.contract.types import CompletionRequest
from support.service_bench import ServiceBench
from support.step_fakes import StepWorker, step

#: More than `max_queue` of the bench.
MANY = 60


def prompts_of(bench: ServiceBench) -> list[str]:
    """Return the prompts that the worker has received, in order."""
    requests = [request for worker in bench.workers for request in worker.requests]
    return [str(r.prompt) for r in requests if isinstance(r, CompletionRequest)]


async def test_a_request_with_more_prompts_than_the_queue_has_places_is_served() -> None:
    bench = ServiceBench(max_queue=2)
    assert await bench.generate("a", prompts=MANY) == "ab" * MANY
    assert max(bench.queue) == 1
    await bench.check()


async def test_another_request_gets_its_turn_between_the_prompts() -> None:
    bench = ServiceBench(max_queue=1)
    await bench.load("a")
    large = bench.begin(bench.generate("a", prompt="large", prompts=MANY))
    await step(40)
    assert await bench.generate("a", prompt="small") == "ab"
    assert not large.done()
    turn = prompts_of(bench).index("small")
    assert 0 < turn < MANY / 4
    assert await large == "ab" * MANY
    await bench.check()


async def test_a_flood_of_requests_is_refused_beside_one_with_many_prompts() -> None:
    bench = ServiceBench(max_queue=2)
    await bench.load("a")
    large = bench.begin(bench.generate("a", prompts=MANY))
    await step(40)
    others = [bench.begin(bench.generate("a")) for _ in range(4)]
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [result for result in results if isinstance(result, str)] == ["ab", "ab"]
    assert sum(isinstance(result, ServerBusy) for result in results) == 2
    assert await large == "ab" * MANY
    await bench.check()


async def test_a_prompt_that_fails_stops_the_others() -> None:
    bench = ServiceBench()
    await bench.load("a")
    worker = bench.worker("a")
    assert isinstance(worker, StepWorker)
    worker.failing = 3
    with pytest.raises(ContextLengthExceeded):
        await bench.generate("a", prompts=MANY)
    assert len(prompts_of(bench)) <= 5
    await bench.check()


async def test_a_worker_that_dies_fails_the_request_once() -> None:
    bench = ServiceBench()
    await bench.load("a")
    large = bench.begin(bench.generate("a", prompts=MANY))
    await step(60)
    worker = bench.worker("a")
    assert isinstance(worker, StepWorker)
    worker.die()
    with pytest.raises(PowerError):
        await large
    sent = len(prompts_of(bench))
    await step(40)
    assert len(prompts_of(bench)) == sent
    await bench.check()
