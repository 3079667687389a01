"""Leases, idle clocks, single flight and room: with a fake clock and fake workers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

import pytest

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InsufficientMemory,
    ModelBusy,
    ModelLoadFailed,
    PowerError,
    ServerBusy,
    WorkerDied,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Delta
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.runtime.interfaces import Limits, LoadPlan
from a3s_power_jupyter.runtime.scheduler import Scheduler
from support.fakes import FakeClock, FakeWorker, settle


class Bench:
    """A scheduler with everything around it under the test's control."""

    def __init__(self, **limits: float) -> None:
        self.clock = FakeClock()
        self.workers: list[FakeWorker] = []
        self.free = 1000
        self.events: list[tuple[str, str]] = []
        self.auto = True
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

    async def _spawn(self, name: str, on_death: Callable[[WorkerDied], None]) -> FakeWorker:
        worker = FakeWorker(name, on_death)
        self.workers.append(worker)
        if self.auto:
            worker.succeed()
        return worker

    def worker(self, name: str) -> FakeWorker:
        return next(w for w in reversed(self.workers) if w.name == name)

    def plan(self, name: str, *, need: int = 10, keep_alive: float = 300.0) -> LoadPlan:
        async def prepare(_progress: object) -> Load:
            return Load("gguf", (f"/{name}.gguf",), LoadParameters())

        return LoadPlan(name, LoadParameters(), prepare, need, keep_alive)

    async def ask(self, name: str, keep_alive: float | None = None, **plan: float) -> str:
        """One request that the worker answers at once."""
        text = ""
        wanted = self.plan(name, **plan)  # type: ignore[arg-type]
        async with self.scheduler.lease(wanted, keep_alive) as worker:
            stream = worker.submit(CompletionRequest("x"))
            self.worker(name).answer()
            async for item in stream:
                text += item.text if isinstance(item, Delta) else ""
        return text

    async def hold(self, name: str) -> tuple[asyncio.Task[None], asyncio.Event]:
        """A request that lasts until its event is set."""
        done = asyncio.Event()

        async def request() -> None:
            async with self.scheduler.lease(self.plan(name)):
                await done.wait()

        task = asyncio.create_task(request())
        await settle()
        return task, done

    def state(self, name: str) -> str:
        return self.scheduler.state(name)

    def changed(self, name: str) -> None:
        self.events.append((name, self.scheduler.state(name)))

    def loaded(self, name: str, seconds: float) -> None:
        self.events.append((name, "is loaded"))

    def evicted(self, name: str, reason: str) -> None:
        self.events.append((name, f"evicted: {reason}"))


@pytest.fixture
async def bench() -> Bench:
    return Bench()


# ---------------------------------------------------------------- loading


async def test_the_first_request_loads_and_the_second_finds_it_loaded(bench: Bench) -> None:
    assert await bench.ask("a") == "hello"
    assert await bench.ask("a") == "hello"
    assert len(bench.workers) == 1
    states = [state for _, state in bench.events]
    assert states[0] == "loading"
    assert {"loading", "busy", "loaded", "is loaded"} == set(states)


async def test_requests_that_meet_a_load_join_it(bench: Bench) -> None:
    bench.auto = False
    first = asyncio.create_task(bench.ask("a"))
    second = asyncio.create_task(bench.ask("a"))
    await settle()
    assert bench.state("a") == "loading"
    assert len(bench.workers) == 1
    bench.workers[0].succeed(slots=2)
    assert await first == await second == "hello"


async def test_a_failed_load_reaches_all_who_wait_and_the_next_request_tries_again(
    bench: Bench,
) -> None:
    bench.auto = False
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
    bench.auto = True
    assert await bench.ask("a") == "hello"
    assert bench.scheduler.failure("a") is None


async def test_a_model_whose_files_are_gone_takes_no_place(bench: Bench) -> None:
    async def prepare(_progress: object) -> Load:
        raise FileNotFound("gone")

    plan = LoadPlan("a", LoadParameters(), prepare, 10, 300.0)
    with pytest.raises(FileNotFound):
        await bench.scheduler.load(plan)
    assert bench.workers == []
    assert bench.scheduler.runners() == []


async def test_a_bug_in_a_load_leaves_no_place_taken(bench: Bench) -> None:
    async def prepare(_progress: object) -> Load:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bench.scheduler.load(LoadPlan("a", LoadParameters(), prepare, 10, 300.0))
    assert bench.scheduler.runners() == []


async def test_a_client_that_leaves_does_not_end_the_load_of_others(bench: Bench) -> None:
    bench.auto = False
    leaver = asyncio.create_task(bench.ask("a"))
    stayer = asyncio.create_task(bench.ask("a"))
    await settle()
    leaver.cancel()
    await settle()
    bench.workers[0].succeed()
    assert await stayer == "hello"


async def test_a_load_without_progress_is_stopped_but_a_slow_one_is_not() -> None:
    bench = Bench(load_timeout=60.0)
    bench.auto = False
    loading = asyncio.create_task(bench.ask("a"))
    await settle()
    for step in range(5):
        await bench.clock.advance(50)
        progress = bench.workers[0].progress
        assert progress is not None
        progress(step / 10)
    assert bench.state("a") == "loading"
    await bench.clock.advance(61)
    with pytest.raises(ModelLoadFailed, match="no progress for 60 seconds"):
        await loading
    assert bench.workers[0].stopped


async def test_unloading_ends_a_load_under_way(bench: Bench) -> None:
    bench.auto = False
    loading = asyncio.create_task(bench.ask("a"))
    await settle()
    await bench.scheduler.unload("a")
    with pytest.raises(ModelLoadFailed, match="unloaded while it was being loaded"):
        await loading
    assert bench.workers[0].stopped
    assert bench.scheduler.runners() == []


# ---------------------------------------------------------------- idle


async def test_the_idle_clock_starts_when_the_last_request_ends(bench: Bench) -> None:
    one, one_done = await bench.hold("a")
    await bench.clock.advance(1000)
    assert bench.state("a") == "busy"
    one_done.set()
    await one
    runner = bench.scheduler.runner("a")
    assert runner is not None
    assert runner.expires_at == bench.clock.wall() + 300
    await bench.clock.advance(299)
    assert bench.state("a") == "loaded"
    await bench.clock.advance(1)
    assert bench.state("a") == "unloaded"
    assert bench.workers[0].stopped
    assert ("a", "evicted: idle") in bench.events


async def test_a_request_stops_the_idle_clock(bench: Bench) -> None:
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


async def test_keep_alive_zero_spares_a_request_that_came_at_the_same_moment(bench: Bench) -> None:
    await bench.ask("a", 0.0)
    task, done = await bench.hold("a")
    done.set()
    await task


# ---------------------------------------------------------------- room


async def test_the_least_recently_used_makes_room(bench: Bench) -> None:
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
    task, done = await bench.hold("a")
    newcomer = asyncio.create_task(bench.ask("b"))
    await settle()
    assert [bench.state("a"), bench.state("b")] == ["busy", "loading"]
    assert not bench.workers[0].stopped
    done.set()
    await task
    assert await newcomer == "hello"
    assert bench.state("a") == "unloaded"


async def test_a_newcomer_gives_up_after_the_load_timeout() -> None:
    bench = Bench(max_models=1, load_timeout=60.0)
    task, done = await bench.hold("a")
    newcomer = asyncio.create_task(bench.ask("b"))
    await bench.clock.advance(61)
    with pytest.raises(ServerBusy) as caught:
        await newcomer
    assert caught.value.retry_after
    assert bench.state("a") == "busy"
    done.set()
    await task


async def test_newcomers_are_served_in_the_order_they_came() -> None:
    bench = Bench(max_models=1)
    task, done = await bench.hold("a")
    order: list[str] = []

    async def ask(name: str) -> None:
        await bench.ask(name)
        order.append(name)

    newcomers = []
    for name in "bcd":
        newcomers.append(asyncio.create_task(ask(name)))
        await settle()
    done.set()
    await asyncio.gather(task, *newcomers)
    assert order == ["b", "c", "d"]


async def test_pinned_models_stay_and_say_so_when_all_places_are_pinned() -> None:
    bench = Bench(max_models=1)
    await bench.ask("a")
    bench.scheduler.pin("a", True)
    await bench.clock.advance(10**6)
    assert bench.state("a") == "loaded"
    with pytest.raises(ServerBusy, match="pinned"):
        await bench.ask("b")
    bench.scheduler.pin("a", False)
    assert await bench.ask("b") == "hello"


async def test_memory_is_freed_by_eviction_and_lack_of_it_is_said_with_numbers() -> None:
    bench = Bench(max_models=0, memory=100)
    await bench.ask("a", need=60)
    await bench.clock.advance(1)
    await bench.ask("b", need=60)
    assert bench.state("a") == "unloaded"
    with pytest.raises(InsufficientMemory, match="GiB"):
        await bench.ask("c", need=101)
    assert bench.state("b") == "loaded"


async def test_mapped_files_do_not_count_as_free(bench: Bench) -> None:
    await bench.ask("a", need=600)
    bench.workers[0].mapped_bytes = 600
    bench.free = 900  # what the system says: mapped pages can be dropped
    await bench.clock.advance(1)
    await bench.ask("b", need=500)
    assert bench.state("a") == "unloaded"


async def test_a_model_under_way_has_its_memory_promised() -> None:
    bench = Bench(max_models=0, load_timeout=60.0)
    bench.auto = False
    first = asyncio.create_task(bench.ask("a", need=600))
    await settle()
    second = asyncio.create_task(bench.ask("b", need=600))
    await settle()
    assert [w.name for w in bench.workers] == ["a"]
    bench.workers[0].succeed()
    bench.auto = True
    assert await first == await second == "hello"


# ---------------------------------------------------------------- queue, busy, death


async def test_a_slot_is_handed_on_in_order_and_a_full_queue_refuses() -> None:
    bench = Bench(max_queue=1)
    task, done = await bench.hold("a")
    waiting, waiting_done = await bench.hold("a")
    with pytest.raises(ServerBusy) as caught:
        await bench.ask("a")
    assert caught.value.retry_after == 5
    done.set()
    waiting_done.set()
    await asyncio.gather(task, waiting)


async def test_a_busy_model_is_unloaded_only_by_force(bench: Bench) -> None:
    task, done = await bench.hold("a")
    with pytest.raises(ModelBusy):
        await bench.scheduler.unload("a")
    assert bench.state("a") == "busy"
    await bench.scheduler.unload("a", force=True)
    assert bench.workers[0].stopped
    done.set()
    await task
    assert bench.state("a") == "unloaded"


async def test_a_request_during_an_unload_loads_again(bench: Bench) -> None:
    await bench.ask("a")
    unloading = asyncio.create_task(bench.scheduler.unload("a"))
    asking = asyncio.create_task(bench.ask("a"))
    await asyncio.gather(unloading, asking)
    assert len(bench.workers) == 2
    assert bench.state("a") == "loaded"


async def test_a_dead_worker_is_forgotten_and_its_reason_is_kept(bench: Bench) -> None:
    await bench.ask("a")
    bench.workers[0].on_death(WorkerDied("SIGKILL"))
    assert bench.state("a") == "failed"
    failure = bench.scheduler.failure("a")
    assert isinstance(failure, PowerError)
    assert ("a", "evicted: died") in bench.events
    assert await bench.ask("a") == "hello"
    assert len(bench.workers) == 2


async def test_stop_ends_every_worker_and_every_load(bench: Bench) -> None:
    await bench.ask("a")
    bench.auto = False
    loading = asyncio.create_task(bench.ask("b"))
    await settle()
    await bench.scheduler.stop()
    assert all(worker.stopped for worker in bench.workers)
    with pytest.raises(ModelLoadFailed):
        await loading
