"""Test how newcomers are admitted: eviction, waiting, pinned models, memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from a3s_power_jupyter.contract.errors import InsufficientMemory, ServerBusy
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from a3s_power_jupyter.runtime.policy import Evict, Fits, Refuse, Wait
from support.fakes import settle
from support.scheduler_bench import Bench, fixed


async def test_the_least_recently_used_model_is_evicted(bench: Bench) -> None:
    for name in ("a", "b"):
        await bench.ask(name)
        await bench.clock.advance(1)
    await bench.ask("a")
    await bench.clock.advance(1)
    await bench.ask("c")
    assert [bench.state(n) for n in "abc"] == ["loaded", "unloaded", "loaded"]
    assert ("b", "evicted: room") in bench.events


async def test_a_newcomer_waits_for_a_busy_model_and_then_evicts_it() -> None:
    bench = Bench(max_models=1)
    request, finish = await bench.hold("a")
    newcomer = asyncio.create_task(bench.ask("b"))
    await settle()
    assert [bench.state("a"), bench.state("b")] == ["busy", "loading"]
    assert not bench.workers[0].stopped
    finish.set()
    await request
    assert await newcomer == "hello"
    assert bench.state("a") == "unloaded"


async def test_a_newcomer_fails_after_the_load_timeout() -> None:
    bench = Bench(max_models=1, load_timeout=60.0)
    request, finish = await bench.hold("a")
    newcomer = asyncio.create_task(bench.ask("b"))
    await bench.clock.advance(61)
    with pytest.raises(ServerBusy) as caught:
        await newcomer
    assert caught.value.retry_after
    assert bench.state("a") == "busy"
    finish.set()
    await request


async def test_newcomers_are_admitted_in_order() -> None:
    bench = Bench(max_models=1)
    request, finish = await bench.hold("a")
    order: list[str] = []

    async def ask(name: str) -> None:
        await bench.ask(name)
        order.append(name)

    newcomers = []
    for name in "bcd":
        newcomers.append(asyncio.create_task(ask(name)))
        await settle()
    finish.set()
    await asyncio.gather(request, *newcomers)
    assert order == ["b", "c", "d"]


async def test_pinned_models_are_not_unloaded_and_the_error_mentions_them() -> None:
    bench = Bench(max_models=1)
    await bench.ask("a")
    bench.scheduler.pin("a", True)
    await bench.clock.advance(10**6)
    assert bench.state("a") == "loaded"
    with pytest.raises(ServerBusy, match="pinned"):
        await bench.ask("b")
    bench.scheduler.pin("a", False)
    assert await bench.ask("b") == "hello"


async def test_eviction_frees_memory_and_the_error_has_numbers_if_that_is_not_enough() -> None:
    bench = Bench(max_models=0, memory=100)
    await bench.ask("a", need=60)
    await bench.clock.advance(1)
    await bench.ask("b", need=60)
    assert bench.state("a") == "unloaded"
    with pytest.raises(InsufficientMemory, match="GiB"):
        await bench.ask("c", need=101)
    assert bench.state("b") == "loaded"


async def test_an_idle_model_is_evicted_for_what_its_prompt_cache_has_taken(bench: Bench) -> None:
    await bench.ask("a", need=100)
    worker = bench.workers[0]
    worker.memory_bytes = 500
    bench.free = 400
    worker.on_stop = lambda: setattr(bench, "free", 900)
    await bench.ask("b", need=700)
    assert bench.state("a") == "unloaded"


async def test_mapped_files_do_not_count_as_free(bench: Bench) -> None:
    await bench.ask("a", need=600)
    bench.workers[0].mapped_bytes = 600
    bench.free = 900  # the system counts mapped pages as available
    await bench.clock.advance(1)
    await bench.ask("b", need=500)
    assert bench.state("a") == "unloaded"


@pytest.mark.parametrize(
    ("setting", "memory", "expected"), [(None, 0, 100), (None, 500, 37), (77, 500, 77)]
)
async def test_a_prompt_cache_gets_an_eighth_of_what_the_model_leaves(
    setting: int | None, memory: int, expected: int
) -> None:
    bench = Bench(max_models=0, memory=memory)

    async def prepare(_progress: object) -> Load:
        cache = PromptCacheSettings(directory="/prompts", disk_bytes=1)
        return Load("gguf", ("/a.gguf",), LoadParameters(), prompt_cache=cache)

    plan = replace(bench.plan("a", need=200), prepare=prepare, prompt_cache=setting)
    await bench.scheduler.load(fixed(plan))
    load = bench.workers[0].loads[0]
    assert load.prompt_cache == PromptCacheSettings(expected, "/prompts", disk_bytes=1)


async def test_the_memory_of_a_loading_model_is_reserved() -> None:
    bench = Bench(max_models=0, load_timeout=60.0)
    bench.loads_succeed = False
    first = asyncio.create_task(bench.ask("a", need=600))
    await settle()
    second = asyncio.create_task(bench.ask("b", need=600))
    await settle()
    assert [w.name for w in bench.workers] == ["a"]
    bench.workers[0].succeed()
    bench.loads_succeed = True
    assert await first == await second == "hello"


async def test_a_preview_decides_as_a_load_would_and_changes_nothing() -> None:
    bench = Bench()
    bench.free = 100
    await bench.ask("a", need=60)
    bench.free = 40
    decision, free = bench.scheduler.preview(bench.plan("b", need=70))
    assert (decision, free) == (Evict(("a",)), 40)
    assert bench.scheduler.preview(bench.plan("b", need=40))[0] == Fits()
    assert bench.scheduler.preview(bench.plan("b", need=101))[0] == Refuse(out_of_memory=True)
    assert (bench.state("a"), bench.state("b")) == ("loaded", "unloaded")


def gpu_plan(bench: Bench, name: str, gpu: int, need: int = 10) -> LoadPlan:
    """A plan for a simulated GPU of 100 bytes."""
    return replace(bench.plan(name, need=need), gpu_need=gpu, gpu_capacity=100)


async def loaded_on_gpu(bench: Bench, name: str, gpu: int) -> None:
    await bench.scheduler.load(fixed(gpu_plan(bench, name, gpu)))
    await bench.clock.advance(1)


async def test_idle_models_leave_the_gpu_for_a_newcomer() -> None:
    bench = Bench(max_models=9)
    for name, gpu in (("a", 0), ("b", 30), ("c", 30), ("d", 30)):
        await loaded_on_gpu(bench, name, gpu)
    decision, _ = bench.scheduler.preview(gpu_plan(bench, "e", 60))
    assert decision == Evict(("b", "c"))
    await loaded_on_gpu(bench, "e", 60)
    assert [bench.state(n) for n in "abcde"] == [
        "loaded",
        "unloaded",
        "unloaded",
        "loaded",
        "loaded",
    ]


async def test_a_newcomer_does_not_wait_for_the_gpu() -> None:
    """What does not fit on the GPU beside a busy model needs the machine's memory."""
    bench = Bench(max_models=9)
    request, finish = await bench.hold("a", fixed(gpu_plan(bench, "a", 90)))
    bench.free = 50
    assert bench.scheduler.preview(gpu_plan(bench, "b", 40))[0] == Fits()
    assert bench.scheduler.preview(gpu_plan(bench, "b", 60))[0] == Wait()  # 10 + 50 > 50
    finish.set()
    await request
    assert bench.scheduler.preview(gpu_plan(bench, "b", 40))[0] == Evict(("a",))


async def test_a_pinned_model_keeps_its_gpu_memory() -> None:
    bench = Bench(max_models=9)
    await loaded_on_gpu(bench, "a", 90)
    bench.scheduler.pin("a", True)
    assert bench.scheduler.preview(gpu_plan(bench, "b", 40))[0] == Fits()
