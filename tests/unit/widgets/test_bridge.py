"""Test how model and pull events are coalesced: at most ten batches a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from a3s_power_jupyter.contract.errors import InvalidReference
from a3s_power_jupyter.widgets.bridge import Bridge, EventCoalescer
from support.bridge_ends import TIMEOUT, Clock, FeedConnection, View

EVENTS = {"id": "a", "method": "GET", "path": "events", "stream": True}


def pull(name: str, completed: int) -> dict[str, Any]:
    return {"type": "pull", "pull": {"name": name, "completed": completed}}


def test_the_events_of_a_fast_pull_are_sent_ten_times_a_second() -> None:
    """The server sends an event every millisecond for five seconds."""
    sent: list[tuple[float, dict[str, Any]]] = []
    ended = threading.Event()
    number = iter(range(1_000_000))

    def new_events(now: float) -> list[Any]:
        return [None] if now > 5 else [pull("a/b", next(number)) for _ in range(100)]

    def send(message: dict[str, Any]) -> None:
        sent.append((clock.now, message))
        if "done" in message:
            ended.set()

    connection = FeedConnection()
    clock = Clock(connection.feed, new_events)
    bridge = Bridge(connection, send, clock.sleep)
    connection.feed.queue.put({"type": "snapshot", "models": [], "pulls": []})
    bridge.handle(EVENTS)
    assert ended.wait(TIMEOUT)
    times = [at for at, message in sent if "item" in message]
    assert len(times) >= 45
    assert all(len([t for t in times if s <= t < s + 1 - 1e-9]) <= 10 for s in range(5))
    assert sent[-2][1]["item"]["pull"]["completed"] == next(number) - 1  # the last event was sent


def test_no_model_is_lost_in_a_burst_of_events() -> None:
    view, connection = View(), FeedConnection()
    burst = [{"type": "model", "model": {"id": f"m{n % 50}", "n": n}} for n in range(500)]
    script: Iterator[list[Any]] = iter([burst, [None]])
    clock = Clock(connection.feed, lambda _now: next(script, []))
    bridge = Bridge(connection, view.receive, clock.sleep)
    connection.feed.queue.put({"type": "snapshot", "models": [], "pulls": []})
    bridge.handle(EVENTS)
    snapshot, *rest = view.all_of("a")
    assert snapshot["type"] == "snapshot"
    assert [event["model"]["n"] for event in rest] == [*range(450, 500)]


def test_events_before_an_error_are_sent_first() -> None:
    view, connection = View(), FeedConnection()
    bridge = Bridge(connection, view.receive, lambda _seconds: None)
    connection.feed.queue.put(pull("a/b", 1))
    connection.feed.queue.put(InvalidReference("No."))
    bridge.handle(EVENTS)
    event, failure = view.all_of("a")
    assert event == pull("a/b", 1)
    assert failure["error"]["code"] == "invalid_reference"


def test_the_latest_event_of_each_model_and_pull_is_kept_in_order() -> None:
    events = EventCoalescer()
    model = {"type": "model", "model": {"id": "m"}}
    deleted = {"type": "model_deleted", "id": "m"}
    for event in (model, pull("p", 1), pull("m", 1), deleted, pull("p", 2)):
        events.add(event)
    assert events.next_batch() == [pull("m", 1), deleted, pull("p", 2)]
    for event in (deleted, model, {"type": "pull_deleted", "name": "p"}, {"type": "new"}):
        events.add(event)
    assert events.next_batch() == [model, {"type": "pull_deleted", "name": "p"}, {"type": "new"}]
    snapshot = {"type": "snapshot", "models": [], "pulls": []}
    for event in (model, snapshot, pull("p", 3)):
        events.add(event)
    events.end()
    assert events.next_batch() == [snapshot, pull("p", 3)]
    assert events.next_batch() == []
