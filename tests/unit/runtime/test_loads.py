"""Test loads: shared by requests, failed, stalled, stopped."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    ModelBusy,
    ModelLoadFailed,
    ServerBusy,
    WorkerDied,
)
from a3s_power_jupyter.engine.protocol import Load
from support.fakes import settle
from support.scheduler_bench import Bench, fixed, loaded_num_ctx, with_num_ctx


async def test_the_first_request_loads_the_model_and_the_second_uses_it(bench: Bench) -> None:
    assert await bench.ask("a") == "hello"
    assert await bench.ask("a") == "hello"
    assert len(bench.workers) == 1
    states = [state for _, state in bench.events]
    assert states[0] == "loading"
    assert {"loading", "busy", "is loaded"} == set(states)
    assert bench.uses[-1] == ("a", "loaded")
    assert ("a", "busy") in bench.uses


async def test_requests_join_a_load_in_progress(bench: Bench) -> None:
    bench.loads_succeed = False
    first = asyncio.create_task(bench.ask("a"))
    second = asyncio.create_task(bench.ask("a"))
    await settle()
    assert bench.state("a") == "loading"
    assert len(bench.workers) == 1
    bench.workers[0].succeed(slots=2)
    assert await first == await second == "hello"


async def test_a_failed_load_fails_all_waiting_requests_and_the_next_one_tries_again(
    bench: Bench,
) -> None:
    bench.loads_succeed = False
    waiting = [asyncio.create_task(bench.ask("a")) for _ in range(2)]
    await settle()
    bench.workers[0].fail(ModelLoadFailed("no good"))
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(error) for error in errors] == ["no good", "no good"]
    assert bench.workers[0].stopped
    assert bench.state("a") == "failed"
    failure = bench.scheduler.failure("a")
    assert failure is not None
    assert failure.message == "no good"
    bench.loads_succeed = True
    assert await bench.ask("a") == "hello"
    assert bench.scheduler.failure("a") is None


@pytest.mark.parametrize("error", [FileNotFound("gone"), ZeroDivisionError()])
async def test_a_load_that_cannot_be_prepared_leaves_nothing_behind(
    bench: Bench, error: Exception
) -> None:
    async def prepare(_progress: object) -> Load:
        raise error

    plan = fixed(dataclasses.replace(bench.plan("a"), prepare=prepare))
    with pytest.raises(type(error)):
        await bench.scheduler.load(plan)
    assert bench.workers == []
    assert bench.scheduler.runners() == []


async def test_a_cancelled_request_does_not_stop_the_load_for_other_requests(bench: Bench) -> None:
    bench.loads_succeed = False
    cancelled = asyncio.create_task(bench.ask("a"))
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    cancelled.cancel()
    await settle()
    bench.workers[0].succeed()
    assert await waiting == "hello"


async def test_a_stalled_load_is_stopped_but_a_slow_one_is_not() -> None:
    bench = Bench(load_timeout=60.0)
    bench.loads_succeed = False
    loading = asyncio.create_task(bench.ask("a"))
    await settle()
    for step in range(5):
        await bench.clock.advance(50)
        progress = bench.workers[0].progress
        assert progress is not None
        progress(step / 10)
    assert bench.state("a") == "loading"
    await bench.clock.advance(67)
    with pytest.raises(ModelLoadFailed, match="no progress for 60 seconds"):
        await loading
    assert bench.workers[0].stopped


async def test_a_load_that_requests_wait_for_is_stopped_only_by_force(bench: Bench) -> None:
    bench.loads_succeed = False
    waiting = [asyncio.create_task(bench.ask("a")) for _ in range(2)]
    await settle()
    with pytest.raises(ModelBusy, match=r"being loaded for 2 request\(s\)"):
        await bench.scheduler.unload("a")
    bench.workers[0].succeed(slots=2)
    assert await asyncio.gather(*waiting) == ["hello", "hello"]


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("asked", "unloaded by another client while it was being loaded. Send the request again"),
        ("deleted", "deleted by another client while it was being loaded. Register or pull it"),
    ],
)
async def test_a_request_learns_why_its_load_was_stopped(
    bench: Bench, reason: str, message: str
) -> None:
    bench.loads_succeed = False
    request = asyncio.create_task(bench.ask("a"))
    await settle()
    await bench.scheduler.unload("a", force=True, reason=reason)
    with pytest.raises(ModelLoadFailed, match=message):
        await request
    assert bench.workers[0].stopped
    assert bench.scheduler.runners() == []


@pytest.mark.parametrize("client_leaves", [False, True])
async def test_a_load_without_requests_can_be_stopped(bench: Bench, client_leaves: bool) -> None:
    bench.loads_succeed = False
    load = asyncio.create_task(bench.scheduler.load(bench.plan("a")))
    await settle()
    if client_leaves:
        load.cancel()
        await settle()
    await bench.scheduler.unload("a")
    with pytest.raises(asyncio.CancelledError if client_leaves else ModelLoadFailed):
        await load
    assert bench.workers[0].stopped
    assert bench.scheduler.runners() == []


async def test_a_request_that_left_does_not_keep_a_load_from_being_stopped(bench: Bench) -> None:
    bench.loads_succeed = False
    request = asyncio.create_task(bench.ask("a"))
    await settle()
    request.cancel()
    await settle()
    await bench.scheduler.unload("a")
    assert bench.scheduler.runners() == []


async def test_requests_that_wait_learn_that_the_server_shuts_down(bench: Bench) -> None:
    bench.loads_succeed = False
    request = asyncio.create_task(bench.ask("a"))
    await settle()
    await bench.scheduler.stop()
    with pytest.raises(ServerBusy, match="the server is shutting down"):
        await request
    with pytest.raises(ServerBusy, match="the server is shutting down"):
        await bench.ask("a")


async def test_a_load_that_is_stopped_before_it_begins_fails_its_requests(bench: Bench) -> None:
    request = asyncio.create_task(bench.ask("a"))
    await asyncio.sleep(0)
    await bench.scheduler.unload("a", force=True)
    with pytest.raises(ModelLoadFailed, match="by another client while it was being loaded"):
        await request
    assert bench.workers == []
    assert await bench.ask("a") == "hello"


async def test_requests_that_wait_get_the_model_with_the_parameters_of_the_last_load(
    bench: Bench,
) -> None:
    bench.loads_succeed = False
    request = asyncio.create_task(bench.ask("a"))
    await settle()
    bench.loads_succeed = True
    await bench.scheduler.load(with_num_ctx(bench, 64), reload=True)
    assert await request == "hello"
    assert loaded_num_ctx(bench) == 64
    await bench.scheduler.load(with_num_ctx(bench, 65))
    assert loaded_num_ctx(bench) == 64  # only asked for by `reload`
    assert len(bench.workers) == 2


async def test_a_busy_model_is_reloaded_once_the_requests_in_progress_have_ended(
    bench: Bench,
) -> None:
    running, finish = await bench.hold("a")
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    load = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), reload=True))
    await settle()
    newcomer = asyncio.create_task(bench.ask("a"))
    await settle()
    assert not bench.workers[0].stopped
    finish.set()
    await asyncio.gather(running, load)
    assert await waiting == await newcomer == "hello"
    assert bench.workers[0].streams == []
    assert loaded_num_ctx(bench) == 64
    assert ("a", "evicted: reload") in bench.events


async def test_a_reload_continues_when_its_client_leaves(bench: Bench) -> None:
    running, finish = await bench.hold("a")
    load = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), 7.0, reload=True))
    await settle()
    load.cancel()
    await settle()
    assert not bench.workers[0].stopped
    finish.set()
    await running
    await settle()
    assert bench.state("a") == "loaded"
    assert loaded_num_ctx(bench) == 64
    runner = bench.scheduler.runner("a")
    assert runner is not None
    assert runner.keep_alive == 7.0
    await bench.clock.advance(8)
    assert await bench.ask("a") == "hello"
    assert loaded_num_ctx(bench) is UNSET  # the parameters of one load are not kept


async def test_the_last_of_several_reloads_counts(bench: Bench) -> None:
    running, finish = await bench.hold("a")
    loads = []
    for num_ctx in (64, 65, 66):
        plan = with_num_ctx(bench, num_ctx)
        loads.append(asyncio.create_task(bench.scheduler.load(plan, reload=True)))
        await settle()
    loads[1].cancel()
    finish.set()
    await asyncio.gather(running, loads[0], loads[2])
    assert loaded_num_ctx(bench) == 66
    assert len(bench.workers) == 2


async def test_an_unload_stops_a_reload_that_waits(bench: Bench) -> None:
    running, finish = await bench.hold("a")
    load = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 64), reload=True))
    left = asyncio.create_task(bench.scheduler.load(with_num_ctx(bench, 65), reload=True))
    await settle()
    left.cancel()
    await bench.scheduler.unload("a", force=True)
    with pytest.raises(ModelLoadFailed):
        await load
    finish.set()
    await running
    await settle()
    assert bench.state("a") == "unloaded"
    assert await bench.ask("a") == "hello"
    assert loaded_num_ctx(bench) is UNSET


async def test_a_worker_that_dies_right_after_the_load_fails_the_load(bench: Bench) -> None:
    bench.loads_succeed = False
    request = asyncio.create_task(bench.ask("a"))
    await settle()
    bench.workers[0].succeed()
    bench.workers[0].on_death(WorkerDied("SIGKILL"))
    with pytest.raises(WorkerDied):
        await request
    assert bench.state("a") == "failed"
    bench.loads_succeed = True
    assert await bench.ask("a") == "hello"
