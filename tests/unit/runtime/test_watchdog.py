"""The watchdog of silent processes, with a clock moved by the test."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.runtime.watchdog import Watchdog
from support.fakes import FakeClock


class Watched:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.silences: list[float] = []
        self.watchdog = Watchdog(self.clock, 100, lambda: self.silences.append(self.clock.now))


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_silence_is_noticed_once(watched: Watched) -> None:
    began = watched.clock.now
    watched.watchdog.start()
    await watched.clock.advance(99)
    assert watched.silences == []
    await watched.clock.advance(500)
    (noticed,) = watched.silences
    assert 100 <= noticed - began <= 111


@pytest.mark.parametrize("pause", [1, 9.9, 10, 55, 99])
async def test_signs_of_life_postpone_it(watched: Watched, pause: float) -> None:
    watched.watchdog.start()
    for _ in range(30):
        await watched.clock.advance(pause)
        watched.watchdog.sign_of_life()
    last = watched.clock.now
    assert watched.silences == []
    await watched.clock.advance(150)
    (noticed,) = watched.silences
    assert 100 <= noticed - last <= 111


async def test_nothing_is_noticed_once_it_is_stopped(watched: Watched) -> None:
    watched.watchdog.start()
    await watched.clock.advance(99)
    watched.watchdog.stop()
    await watched.clock.advance(500)
    assert watched.silences == []


async def test_it_can_be_started_again(watched: Watched) -> None:
    watched.watchdog.start()
    await watched.clock.advance(99)
    watched.watchdog.stop()
    watched.watchdog.start()
    watched.watchdog.start()  # no effect
    await watched.clock.advance(99)
    assert watched.silences == []
    await watched.clock.advance(20)
    assert len(watched.silences) == 1


async def test_a_jump_of_the_clock_leaves_time_to_answer(watched: Watched) -> None:
    watched.watchdog.start()
    await watched.clock.advance(25)
    watched.clock.now += 10_000  # the computer was suspended; overdue timers fire at once
    await watched.clock.advance(50)
    assert watched.silences == []
    watched.watchdog.sign_of_life()
    await watched.clock.advance(99)
    assert watched.silences == []
