"""Test unloading a model that another program replaced or deleted."""

from __future__ import annotations

import asyncio
import dataclasses
import math

import pytest

from a3s_power_jupyter.contract.errors import ModelNotFound
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from support.fakes import settle
from support.scheduler_bench import Bench


async def test_an_idle_model_is_unloaded_at_once(bench: Bench) -> None:
    await bench.ask("a", keep_alive=math.inf)
    bench.scheduler.pin("a", True)
    assert bench.scheduler.retire("a", "deleted")
    assert bench.state("a") == "unloading"
    await settle()
    assert bench.worker("a").exited
    assert ("a", "evicted: deleted") in bench.events
    assert not bench.scheduler.retire("a", "deleted")


async def test_requests_in_progress_end_and_others_use_the_new_files(bench: Bench) -> None:
    running, finish = await bench.hold("a")
    old = bench.worker("a")
    assert bench.scheduler.retire("a", "replaced")
    assert not bench.scheduler.retire("a", "replaced")
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    assert not old.stopped
    assert not waiting.done()
    finish.set()
    await running
    assert await waiting == "hello"
    assert old.exited
    assert bench.worker("a") is not old


async def test_requests_that_wait_for_a_deleted_model_fail(bench: Bench) -> None:
    running, finish = await bench.hold("a")
    bench.scheduler.retire("a", "deleted")

    async def renew() -> LoadPlan:
        raise ModelNotFound("There is no model 'a'.")

    plan = dataclasses.replace(bench.plan("a"), renew=renew)
    waiting = asyncio.create_task(bench.scheduler.load(plan))
    await settle()
    finish.set()
    await running
    with pytest.raises(ModelNotFound):
        await waiting
    assert bench.state("a") == "unloaded"
    assert len(bench.workers) == 1


async def test_a_load_in_progress_begins_again(bench: Bench) -> None:
    bench.loads_succeed = False
    waiting = asyncio.create_task(bench.ask("a"))
    await settle()
    [first] = bench.workers
    bench.loads_succeed = True
    bench.scheduler.retire("a", "replaced")
    assert await waiting == "hello"
    assert first.exited
    assert len(bench.workers) == 2


async def test_a_load_uses_the_plan_for_the_model_as_it_is_registered_then(bench: Bench) -> None:
    new = bench.plan("a", need=77, keep_alive=7.0)

    async def renew() -> LoadPlan:
        return new

    await bench.scheduler.load(dataclasses.replace(bench.plan("a"), renew=renew))
    runner = bench.scheduler.runner("a")
    assert runner is not None
    assert (runner.plan, runner.keep_alive) == (new, 7.0)


async def test_a_worker_saves_its_prompts_unless_its_model_is_gone(bench: Bench) -> None:
    for reason in ("idle", "room", "asked", "reload", "deleted", "replaced"):
        await bench.ask("a")
        await bench.scheduler.unload("a", reason=reason)
        assert bench.worker("a").saved == (reason not in ("deleted", "replaced")), reason
    await bench.ask("a")
    await bench.scheduler.stop()
    assert bench.worker("a").saved
