"""The idle timer and `keep_alive`."""

from __future__ import annotations

import asyncio
import math

import pytest

from support.fakes import settle
from support.scheduler_bench import Bench


async def test_the_idle_timer_starts_when_the_last_request_ends(bench: Bench) -> None:
    request, finish = await bench.hold("a")
    await bench.clock.advance(1000)
    assert bench.state("a") == "busy"
    finish.set()
    await request
    runner = bench.scheduler.runner("a")
    assert runner is not None
    assert runner.expires_at == bench.clock.wall() + 300
    await bench.clock.advance(299)
    assert bench.state("a") == "loaded"
    await bench.clock.advance(1)
    assert bench.state("a") == "unloaded"
    assert bench.workers[0].stopped
    assert ("a", "evicted: idle") in bench.events


async def test_a_request_restarts_the_idle_timer(bench: Bench) -> None:
    await bench.ask("a")
    await bench.clock.advance(200)
    await bench.ask("a")
    await bench.clock.advance(200)
    assert bench.state("a") == "loaded"


@pytest.mark.parametrize(
    ("keep_alive", "after", "state"),
    [(0.0, 0, "unloaded"), (60.0, 61, "unloaded"), (math.inf, 10**9, "loaded")],
)
async def test_keep_alive_of_a_request(
    bench: Bench, keep_alive: float, after: float, state: str
) -> None:
    await bench.ask("a", keep_alive)
    await bench.clock.advance(after)
    assert bench.state("a") == state


async def test_keep_alive_zero_does_not_unload_a_model_that_the_next_request_has_leased(
    bench: Bench,
) -> None:
    finish = asyncio.Event()

    async def next_request() -> None:
        async with bench.scheduler.lease(bench.plan("a")):
            await finish.wait()

    async with bench.scheduler.lease(bench.plan("a"), 0.0):
        # This task starts before the unload that the end of the lease schedules.
        request = asyncio.create_task(next_request())
    await settle()
    assert bench.state("a") == "busy"
    assert not bench.workers[0].stopped
    finish.set()
    await request
    await settle()
    assert bench.state("a") == "unloaded"
    assert len(bench.workers) == 1
