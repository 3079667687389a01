"""When a worker reports the use of its caches."""

from __future__ import annotations

from a3s_power_jupyter.engine.protocol import Stats
from a3s_power_jupyter.engine.stats_reporter import StatsReporter


class Bench:
    """A reporter with a clock and statistics that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stats: Stats | None = Stats(0, 10)
        self.asked = 0
        self.sent: list[Stats] = []
        self.reporter = StatsReporter(self.sent.append, lambda: self.now)

    def report(self) -> None:
        self.reporter.report(self._ask)

    def _ask(self) -> Stats | None:
        self.asked += 1
        return self.stats

    def step(self, now: float, tokens: int) -> None:
        """Let the engine work until `now`, and hold so many tokens then."""
        self.now = now
        self.stats = Stats(tokens, 10)
        self.reporter.stepped()


def test_a_loaded_model_reports_at_once() -> None:
    bench = Bench()
    assert bench.reporter.due == 0
    bench.report()
    assert bench.sent == [Stats(0, 10)]
    assert bench.reporter.due is None


def test_changes_are_reported_once_a_second() -> None:
    bench = Bench()
    bench.report()
    for i in range(1, 10):
        bench.step(100 + i / 4, tokens=i)
        bench.report()
    assert bench.sent == [Stats(0, 10), Stats(4, 10), Stats(8, 10)]
    assert bench.asked == 3


def test_the_last_change_is_reported_while_the_engine_is_idle() -> None:
    bench = Bench()
    bench.report()
    bench.step(100.25, tokens=3)
    bench.report()
    assert bench.reporter.due == 0.75
    bench.now = 101.0
    bench.report()
    assert bench.sent[-1] == Stats(3, 10)
    assert bench.reporter.due is None


def test_unchanged_statistics_are_not_sent() -> None:
    bench = Bench()
    bench.report()
    bench.step(102.0, tokens=0)
    bench.report()
    assert len(bench.sent) == 1
    bench.stats = None  # the engine has no caches
    bench.reporter.stepped()
    bench.now = 104.0
    bench.report()
    assert len(bench.sent) == 1
