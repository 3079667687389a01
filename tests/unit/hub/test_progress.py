"""Test `Progress` and the statuses that `Reporter` emits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.types import PulledFile, PullStatus
from a3s_power_jupyter.hub.events import received_bytes
from a3s_power_jupyter.hub.http.retries import Retry
from a3s_power_jupyter.hub.resolve.plan import Plan
from a3s_power_jupyter.hub.resolve.repository import RemoteFile
from a3s_power_jupyter.hub.transfer.parts import Parts
from a3s_power_jupyter.hub.transfer.progress import Progress, Reporter

COMMIT = "c" * 40
LARGE = RemoteFile("large", 1000, "https://hub.example/large", "etag")
SMALL = RemoteFile("small", 24, "https://hub.example/small", "etag")
PLAN = Plan("x/y", "x/y", COMMIT, "gguf", (LARGE, SMALL), note="Chosen.")


@dataclass
class Reporting:
    """A pull of two files, its reporter under a fake clock, and the statuses it emits."""

    on_disk: int = 0
    now: float = 100.0
    emitted: list[PullStatus] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress = Progress(PLAN.files)
        self.parts = Parts(1000, [(0, self.on_disk)])
        self.progress.follow(LARGE, self.parts)
        start = PullStatus("x/y", "pulling", started_at=1.0)
        self.reporter = Reporter(start, self.emitted.append, lambda: self.now)
        self.reporter.resolving()
        self.reporter.planned(PLAN, self.progress)
        self.reporter.resuming()
        self.part = self.parts.assign_from(0)

    def tick(self, seconds: float, received: int = 0) -> list[PullStatus]:
        """Return what is emitted if `received` bytes arrive within `seconds`."""
        assert self.part is not None
        self.emitted.clear()
        self.now += seconds
        self.parts.advance(self.part, received)
        self.reporter.tick()
        return [*self.emitted]


@pytest.fixture
def reporting() -> Reporting:
    return Reporting()


def values(status: PullStatus, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(status, name) for name in names)


def test_resolving_and_planned(reporting: Reporting) -> None:
    resolving, planned = reporting.emitted
    assert values(resolving, "phase", "revision", "total") == ("resolving", UNSET, UNSET)
    assert values(planned, "phase", "revision", "total") == ("resolving", COMMIT, 1024)
    assert planned.note == "Chosen."
    assert planned.files == (PulledFile("large", 1000), PulledFile("small", 24))
    assert planned.started_at == 1.0


def test_bytes_on_disk_are_reported_before_the_download() -> None:
    *_, resumed = Reporting(on_disk=300).emitted
    assert values(resumed, "phase", "resumed_from", "completed") == ("downloading", 300, 300)
    assert values(resumed, "bytes_per_second", "total") == (UNSET, 1024)


def test_rate_and_eta(reporting: Reporting) -> None:
    names = ("phase", "completed", "total", "bytes_per_second", "eta_seconds")
    [status] = reporting.tick(0)
    assert values(status, *names) == ("downloading", 0, 1024, UNSET, UNSET)
    [status] = reporting.tick(0.1, 10)
    rate, eta = pytest.approx(100.0), pytest.approx(10.14)
    assert values(status, *names) == ("downloading", 10, 1024, rate, eta)
    assert status.files == (PulledFile("large", 1000, 10), PulledFile("small", 24))


def test_a_stalled_download_is_reported_less_often_and_its_rate_drops_to_zero(
    reporting: Reporting,
) -> None:
    reporting.tick(0.1, 500)
    statuses = [status for _ in range(60) for status in reporting.tick(0.1)]
    assert 5 <= len(statuses) <= 7
    assert values(statuses[-1], "bytes_per_second", "eta_seconds") == (0.0, UNSET)


def test_the_rate_is_zero_only_after_seconds_without_a_byte(reporting: Reporting) -> None:
    for received in (0, 10):
        statuses = reporting.tick(0.1, received)
        for _ in range(29):
            statuses += reporting.tick(0.1)
        rates = [status.bytes_per_second for status in statuses]
        assert 0.0 not in rates
        assert reporting.tick(1.0)[-1].bytes_per_second == 0.0


def test_completed_never_decreases(reporting: Reporting) -> None:
    reporting.tick(0.1, 600)
    reporting.progress.set(LARGE, 0)  # it has to be downloaded again
    assert reporting.progress.completed == 600


def test_waiting_for_another_process(reporting: Reporting) -> None:
    reporting.progress.phase = "waiting"
    reporting.progress.set(LARGE, 300)
    [status] = reporting.tick(0.1)
    assert values(status, "phase", "completed", "total") == ("waiting", 300, 1024)
    assert "Another pull" in str(status.note)
    reporting.progress.phase = "downloading"
    [status] = reporting.tick(1.0)
    assert values(status, "phase", "note") == ("downloading", "Chosen.")


RETRY = Retry("The hub answers with status 429", at=120.5, attempt=3, attempts=10)


def test_a_retry_is_reported_until_bytes_arrive(reporting: Reporting) -> None:
    reporting.tick(0.1, 10)
    reporting.reporter.retrying(RETRY)
    assert reporting.tick(0.5) == []  # other connections may go on
    [status] = reporting.tick(0.9)
    note = "The hub answers with status 429. Retrying in 19 s, attempt 3 of 10."
    assert values(status, "phase", "note", "completed") == ("waiting", note, 10)
    assert status.bytes_per_second is UNSET
    [status] = reporting.tick(30)
    assert status.note == "The hub answers with status 429. Retrying now, attempt 3 of 10."
    [status] = reporting.tick(0.1, 5)
    assert values(status, "phase", "note", "completed") == ("downloading", "Chosen.", 15)
    [status] = reporting.tick(2)
    assert status.phase == "downloading"
    assert status.ended("paused").note == "Chosen."


def test_bytes_before_a_retry_are_reported_as_received(reporting: Reporting) -> None:
    [before] = reporting.tick(0)
    reporting.reporter.retrying(RETRY)
    [status] = reporting.tick(5, 10)
    assert values(status, "phase", "completed") == ("downloading", 10)
    assert received_bytes(before, status) == 10


def test_a_retry_while_the_files_are_resolved() -> None:
    emitted: list[PullStatus] = []
    now = [100.0]
    start = PullStatus("x/y", "pulling", started_at=1.0)
    reporter = Reporter(start, emitted.append, lambda: now[0])
    reporter.resolving()
    reporter.retrying(RETRY)
    reporter.tick()
    assert [status.phase for status in emitted] == ["resolving"]
    now[0] += 1
    reporter.tick()
    assert values(emitted[-1], "phase", "note") == ("waiting", RETRY.note(now[0]))
    reporter.retrying(None)
    assert values(emitted[-1], "phase", "note") == ("resolving", UNSET)
    reporter.retrying(RETRY)
    now[0] += 1
    reporter.tick()
    reporter.failed({"code": "hub_error"})
    assert values(emitted[-1], "status", "note") == ("failed", UNSET)


@pytest.mark.parametrize("more", [lambda r: r.tick(0.1), lambda r: r.tick(5)])
def test_verifying_is_reported_once(
    reporting: Reporting, more: Callable[[Reporting], list[PullStatus]]
) -> None:
    reporting.tick(0.1, 1000)
    reporting.progress.set(LARGE, 1000)
    reporting.progress.set(SMALL, 24)
    [status] = reporting.tick(0.1)
    assert values(status, "phase", "completed") == ("verifying", 1024)
    assert more(reporting) == []


def test_a_pull_that_ends_between_two_ticks_is_verified_first(reporting: Reporting) -> None:
    reporting.emitted.clear()
    reporting.reporter.done(created=7)
    verifying, done = reporting.emitted
    assert values(verifying, "status", "phase") == ("pulling", "verifying")
    assert values(done, "status", "phase", "created") == ("done", UNSET, 7)
    assert done.finished_at is not UNSET


def test_nothing_is_emitted_after_the_outcome(reporting: Reporting) -> None:
    reporting.tick(0.1, 10)
    reporting.emitted.clear()
    reporting.reporter.failed({"code": "hub_error"})
    reporting.reporter.paused()
    reporting.reporter.resolving()
    reporting.reporter.tick()
    [failed] = reporting.emitted
    assert values(failed, "status", "completed") == ("failed", 10)
    assert values(failed, "error", "bytes_per_second") == ({"code": "hub_error"}, UNSET)
