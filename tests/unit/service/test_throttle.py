"""Frequent changes are published about once a second."""

from __future__ import annotations

from a3s_power_jupyter.service.throttle import Throttle
from support.fakes import FakeClock


class Bench:
    """A throttle with a clock, and the times of its calls since the beginning."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.start = self.clock.now
        self.calls: list[tuple[str, float]] = []
        self.throttle = Throttle(self.clock, 1.0, 3, self._called)

    def _called(self, name: str) -> None:
        self.calls.append((name, round(self.clock.now - self.start, 6)))

    def use(self, name: str, seconds: float) -> None:
        """Use the throttle ten times a second."""
        for _ in range(round(seconds * 10)):
            self.throttle(name)
            self.clock.skip(0.1)


def test_rare_uses_are_passed_on_at_once() -> None:
    bench = Bench()
    for _ in range(5):
        bench.use("a", 0.1)
        bench.clock.skip(2.9)
    assert bench.calls == [("a", 3.0 * i) for i in range(5)]


def test_frequent_uses_are_passed_on_once_a_second_after_a_burst() -> None:
    bench = Bench()
    bench.use("a", 4.0)
    bench.use("b", 0.1)
    times = [at for name, at in bench.calls if name == "a"]
    assert times == [0, 0.1, 0.2, 1.0, 2.0, 3.0, 4.0]
    assert bench.calls[-1] == ("b", 4.0)
    bench.clock.skip(10.0)
    assert len(bench.calls) == 8


def test_uses_at_the_same_time_are_one() -> None:
    bench = Bench()
    for _ in range(5):
        bench.throttle("a")
    bench.clock.skip(5.0)
    assert bench.calls == [("a", 0)]
