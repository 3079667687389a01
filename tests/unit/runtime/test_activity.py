"""The speed of a model, and the counts of its requests."""

from __future__ import annotations

import asyncio

import pytest

from a3s_power_jupyter.engine.protocol import Stats
from a3s_power_jupyter.runtime.activity import Activity
from support.fakes import FakeClock, settle
from support.scheduler_bench import Bench


def generate(activity: Activity, clock: FakeClock, seconds: float, speed: float) -> None:
    """Generate tokens for some time, one by one."""
    for _ in range(round(seconds * speed)):
        clock.now += 1 / speed
        activity.generated(1)


def test_there_is_no_speed_without_tokens() -> None:
    clock = FakeClock()
    activity = Activity(clock)
    assert activity.tokens_per_second is None
    activity.generated(3)
    assert activity.tokens_per_second is None  # no time has passed
    clock.now += 60.0
    assert activity.tokens_per_second is None


@pytest.mark.parametrize("seconds", [1.0, 4.0, 60.0])
@pytest.mark.parametrize("speed", [2.0, 50.0, 1000.0])
def test_the_speed_is_that_of_the_last_seconds(seconds: float, speed: float) -> None:
    clock = FakeClock()
    activity = Activity(clock)
    generate(activity, clock, 60.0, 5.0)
    clock.now += 20.0
    generate(activity, clock, seconds, speed)
    # The tokens of one bucket may count or not.
    assert activity.tokens_per_second == pytest.approx(speed, rel=0.11)


def test_the_speed_falls_while_nothing_is_generated() -> None:
    clock = FakeClock()
    activity = Activity(clock)
    generate(activity, clock, 10.0, 100.0)
    clock.now += 2.5
    assert activity.tokens_per_second == pytest.approx(50, rel=0.1)
    clock.now += 3.0
    assert activity.tokens_per_second is None


def test_reports_are_passed_on() -> None:
    activity = Activity(FakeClock())
    activity.reported(Stats(1))
    seen: list[Stats | None] = []
    activity.watch(lambda: seen.append(activity.stats))
    activity.reported(Stats(2, 10))
    assert seen == [Stats(2, 10)]


async def test_requests_are_counted_as_waiting_and_then_as_running() -> None:
    bench = Bench()
    bench.loads_succeed = False

    def counts() -> tuple[int, int]:
        runner = bench.scheduler.runner("a")
        assert runner is not None
        return runner.running, bench.scheduler.waiting("a")

    first, finish_first = await bench.hold("a")
    load = asyncio.create_task(bench.scheduler.load(bench.plan("a")))  # not a request
    second, finish_second = await bench.hold("a")
    assert counts() == (0, 2)
    bench.workers[0].succeed(slots=1)
    await settle()
    assert counts() == (1, 1)
    finish_first.set()
    await settle()
    assert counts() == (1, 0)
    second.cancel()
    await settle()
    assert counts() == (0, 0)
    finish_second.set()
    await asyncio.gather(first, load)


async def test_the_observer_learns_of_reports() -> None:
    bench = Bench()
    await bench.ask("a")
    bench.uses.clear()
    bench.workers[0].activity.reported(Stats(1))
    assert bench.uses == [("a", "loaded")]
