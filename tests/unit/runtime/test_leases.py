"""Test leases of a loaded model: the queue, unloading, and a worker that dies."""

from __future__ import annotations

import asyncio

import pytest

from a3s_power_jupyter.contract.errors import (
    ModelBusy,
    ModelLoadFailed,
    PowerError,
    ServerBusy,
    WorkerDied,
)
from support.fakes import settle
from support.scheduler_bench import Bench


async def test_requests_get_slots_in_order_and_a_full_queue_refuses_more() -> None:
    bench = Bench(max_queue=1)
    running, finish_running = await bench.hold("a")
    waiting, finish_waiting = await bench.hold("a")
    with pytest.raises(ServerBusy) as caught:
        await bench.ask("a")
    assert caught.value.retry_after == 5
    finish_waiting.set()
    await settle()
    assert not waiting.done()
    finish_running.set()
    await asyncio.gather(running, waiting)


async def test_a_busy_model_is_unloaded_only_by_force(bench: Bench) -> None:
    request, finish = await bench.hold("a")
    with pytest.raises(ModelBusy):
        await bench.scheduler.unload("a")
    assert bench.state("a") == "busy"
    await bench.scheduler.unload("a", force=True)
    assert bench.workers[0].stopped
    finish.set()
    await request
    assert bench.state("a") == "unloaded"


async def test_a_request_during_an_unload_loads_the_model_again(bench: Bench) -> None:
    await bench.ask("a")
    unloading = asyncio.create_task(bench.scheduler.unload("a"))
    request = asyncio.create_task(bench.ask("a"))
    await asyncio.gather(unloading, request)
    assert len(bench.workers) == 2
    assert bench.state("a") == "loaded"


async def test_the_error_of_a_dead_worker_is_kept_until_the_next_load(bench: Bench) -> None:
    await bench.ask("a")
    bench.workers[0].on_death(WorkerDied("SIGKILL"))
    assert bench.state("a") == "failed"
    failure = bench.scheduler.failure("a")
    assert isinstance(failure, PowerError)
    assert ("a", "evicted: died") in bench.events
    assert await bench.ask("a") == "hello"
    assert len(bench.workers) == 2


async def test_stop_stops_all_workers_and_all_loads(bench: Bench) -> None:
    await bench.ask("a")
    bench.loads_succeed = False
    loading = asyncio.create_task(bench.ask("b"))
    await settle()
    await bench.scheduler.stop()
    assert all(worker.stopped for worker in bench.workers)
    with pytest.raises(ModelLoadFailed):
        await loading
