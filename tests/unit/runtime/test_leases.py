"""Test leases of a loaded model: the queue, unloading, and a worker that dies."""

from __future__ import annotations

import asyncio

import pytest

from a3s_power_jupyter.contract.errors import (
    ModelBusy,
    PowerError,
    ServerBusy,
    WorkerDied,
)
from a3s_power_jupyter.runtime.lease import Lease
from support.fakes import settle
from support.scheduler_bench import Bench, loaded_num_ctx, with_num_ctx


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


async def test_requests_that_wait_for_a_reload_count_as_waiting() -> None:
    bench = Bench(max_queue=2)
    running, finish = await bench.hold("a")
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    reload = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), reload=True))
    await settle()
    assert bench.queue[-1] == 2
    with pytest.raises(ServerBusy):
        await bench.ask("a")
    with pytest.raises(ServerBusy):
        await bench.scheduler.load(with_num_ctx(bench, 65), reload=True)
    finish.set()
    await asyncio.gather(running, reload)
    assert await waiting == "hello"
    assert loaded_num_ctx(bench) == 64
    assert bench.queue[-1] == 0


async def test_a_request_keeps_its_place_when_the_model_is_reloaded() -> None:
    bench = Bench(max_queue=2)
    running, finish = await bench.hold("a")
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    bench.loads_succeed = False
    reload = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), reload=True))
    await settle()
    finish.set()
    await running
    while bench.state("a") != "loading":
        with pytest.raises(ServerBusy):
            await bench.ask("a")
        await asyncio.sleep(0)
    await settle()
    bench.workers[-1].succeed()
    await reload
    assert await waiting == "hello"


async def test_a_full_queue_of_one_model_does_not_refuse_requests_for_another() -> None:
    bench = Bench(max_queue=1)
    running, finish_running = await bench.hold("a")
    waiting, finish_waiting = await bench.hold("a")
    assert await bench.ask("b") == "hello"
    finish_running.set()
    finish_waiting.set()
    await asyncio.gather(running, waiting)


async def test_prompts_of_requests_take_turns() -> None:
    bench = Bench(max_queue=1)
    turns: list[str] = []

    async def run(lease: Lease, name: str) -> None:
        async with lease.slot():
            turns.append(name)
            await asyncio.sleep(0)

    async def request(name: str, prompts: int) -> None:
        async with bench.scheduler.lease(bench.plan("a")) as lease:
            await asyncio.gather(*(run(lease, f"{name}{i}") for i in range(prompts)))

    await bench.ask("a")
    first = asyncio.create_task(request("x", 4))
    await asyncio.sleep(0)
    second = asyncio.create_task(request("y", 2))
    await asyncio.gather(first, second)
    assert turns == ["x0", "x1", "y0", "x2", "y1", "x3"]


async def test_a_slot_is_free_after_a_lease_that_runs_no_prompt(bench: Bench) -> None:
    for _ in range(2):
        async with bench.scheduler.lease(bench.plan("a")):
            pass
    assert await bench.ask("a") == "hello"


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


async def test_a_request_that_waits_for_a_slot_survives_the_death_of_the_worker(
    bench: Bench,
) -> None:
    holding, finish = await bench.hold("a")
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    bench.worker("a").on_death(WorkerDied("died"))
    finish.set()
    await holding
    assert await waiting == "hello"
    assert len(bench.workers) == 2
    assert len(bench.workers[0].requests) == 0


async def test_stop_stops_all_workers_and_all_loads(bench: Bench) -> None:
    await bench.ask("a")
    bench.loads_succeed = False
    loading = asyncio.create_task(bench.ask("b"))
    await settle()
    await bench.scheduler.stop()
    assert all(worker.stopped for worker in bench.workers)
    with pytest.raises(ServerBusy):
        await loading


async def test_a_request_about_tokens_waits_for_the_load_but_for_no_slot() -> None:
    bench = Bench(max_queue=1)
    running, finish_running = await bench.hold("a")
    waiting, finish_waiting = await bench.hold("a")  # the queue is full
    async with bench.scheduler.use(bench.plan("a")) as worker:
        assert worker is bench.worker("a")
        assert bench.state("a") == "busy"
    finish_running.set()
    finish_waiting.set()
    await asyncio.gather(running, waiting)
    bench.loads_succeed = False
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.ask("b"))
        await settle()
        with pytest.raises(ServerBusy):
            async with bench.scheduler.use(bench.plan("b")):
                pass
        bench.worker("b").succeed()
        await settle()
    assert bench.queue[-1] == 0


async def test_a_model_is_neither_unloaded_nor_reloaded_while_its_tokens_are_counted() -> None:
    bench = Bench()
    await bench.ask("a")
    async with bench.scheduler.use(bench.plan("a"), 0.0):
        with pytest.raises(ModelBusy):
            await bench.scheduler.unload("a")
        reload = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), reload=True))
        await settle()
        counting = asyncio.create_task(_use(bench))
        await settle()
        assert not counting.done()
    await asyncio.gather(reload, counting)
    assert loaded_num_ctx(bench) == 64


async def _use(bench: Bench) -> None:
    async with bench.scheduler.use(bench.plan("a")):
        pass
