"""Test the wire events of a pull, and their watchers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from a3s_power_jupyter.contract.types import PulledFile, PullStatus
from a3s_power_jupyter.hub.events import Watchers, received_bytes, wire_event

COMMIT = "c" * 40
START = PullStatus("x/y", "pulling", started_at=1.0)
RESOLVING = replace(START, phase="resolving")
PLANNED = replace(RESOLVING, revision=COMMIT, total=10)
RESUMED = replace(PLANNED, phase="downloading", completed=4, resumed_from=4)
DOWNLOADING = replace(RESUMED, completed=6, bytes_per_second=2.0, eta_seconds=2.0)
STALLED = replace(DOWNLOADING, bytes_per_second=0.0, eta_seconds=UNSET)
WAITING = replace(PLANNED, phase="waiting", completed=3, note="Another pull.")
VERIFYING = replace(DOWNLOADING, phase="verifying", completed=10)
ERROR = {"code": "hub_error", "message": "Away."}


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (START, RESOLVING, {"status": "resolving"}),
        (DOWNLOADING, RESOLVING, {"status": "resolving"}),
        (
            START,
            replace(START, phase="waiting", note="Later."),
            {"status": "waiting", "completed": 0, "note": "Later."},
        ),
        (
            RESOLVING,
            PLANNED,
            {"status": "planned", "revision": COMMIT, "files": 1, "total": 10},
        ),
        (
            RESOLVING,
            replace(PLANNED, note="Chosen.", files=(PulledFile("a", 4), PulledFile("b", 6))),
            {
                "status": "planned",
                "revision": COMMIT,
                "files": 2,
                "total": 10,
                "note": "Chosen.",
            },
        ),
        (PLANNED, RESUMED, {"status": "resuming", "offset": 4, "total": 10}),
        (
            RESUMED,
            DOWNLOADING,
            {
                "status": "downloading",
                "completed": 6,
                "total": 10,
                "bytes_per_second": 2.0,
                "eta_seconds": 2.0,
            },
        ),
        (
            DOWNLOADING,
            STALLED,
            {
                "status": "downloading",
                "completed": 6,
                "total": 10,
                "bytes_per_second": 0.0,
                "eta_seconds": None,
            },
        ),
        (
            PLANNED,
            WAITING,
            {"status": "waiting", "completed": 3, "total": 10, "note": "Another pull."},
        ),
        (DOWNLOADING, VERIFYING, {"status": "verifying"}),
        (
            VERIFYING,
            VERIFYING.ended("done", created=7),
            {"status": "success", "id": "x/y", "object": "model", "created": 7},
        ),
        (
            DOWNLOADING,
            DOWNLOADING.ended("paused"),
            {"status": "paused", "name": "x/y", "completed": 6},
        ),
        (DOWNLOADING, DOWNLOADING.ended("cancelled"), {"status": "cancelled", "name": "x/y"}),
        (
            DOWNLOADING,
            DOWNLOADING.ended("failed", error=ERROR),
            {"status": "error", "error": ERROR},
        ),
    ],
)
def test_wire_events(before: PullStatus, after: PullStatus, event: dict[str, Any]) -> None:
    assert wire_event(before, after) == {**event, "pull": after}


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        (RESOLVING, PLANNED, 0),
        (PLANNED, RESUMED, 0),
        (PLANNED, replace(PLANNED, phase="downloading", completed=3), 3),
        (RESUMED, DOWNLOADING, 2),
        (DOWNLOADING, VERIFYING, 4),
        (PLANNED, WAITING, 0),
        (WAITING, replace(WAITING, completed=9), 0),
        (WAITING, replace(WAITING, phase="verifying", completed=10), 0),
    ],
)
def test_received_bytes(before: PullStatus, after: PullStatus, count: int) -> None:
    assert received_bytes(before, after) == count


async def test_a_slow_watcher_receives_only_the_newest_progress() -> None:
    watchers = Watchers()
    watchers.publish({"status": "resolving"})
    stream = watchers.watch()
    assert await anext(stream) == {"status": "resolving"}
    for completed in range(1000):
        watchers.publish({"status": "downloading", "completed": completed})
    watchers.publish({"status": "verifying"})
    watchers.publish({"status": "success"}, last=True)
    rest = [event async for event in stream]
    assert rest[0] == {"status": "downloading", "completed": 999}
    assert [event["status"] for event in rest] == ["downloading", "verifying", "success"]
    assert [event async for event in watchers.watch()] == [{"status": "success"}]
