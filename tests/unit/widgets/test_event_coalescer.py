"""The events of a server on their way through the kernel: in bursts, at most ten a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from a3s_power_jupyter.contract.errors import InvalidReference
from a3s_power_jupyter.widgets.bridge import Bridge
from a3s_power_jupyter.widgets.event_coalescer import EventCoalescer
from support.bridge_ends import TIMEOUT, Clock, Feeding, View

EVENTS = {"id": "a", "method": "GET", "path": "events", "stream": True}


def pull(name: str, completed: int) -> dict[str, Any]:
    return {"type": "pull", "pull": {"name": name, "completed": completed}}


def test_a_fast_pull_is_told_ten_times_a_second() -> None:
    """A server that has news every millisecond, for five seconds."""
    sent: list[tuple[float, dict[str, Any]]] = []
    ended = threading.Event()
    number = iter(range(1_000_000))

    def arrives(now: float) -> list[Any]:
        return [None] if now > 5 else [pull("a/b", next(number)) for _ in range(100)]

    def send(message: dict[str, Any]) -> None:
        sent.append((clock.now, message))
        if "done" in message:
            ended.set()

    connection = Feeding()
    clock = Clock(connection.feed, arrives)
    bridge = Bridge(connection, send, clock.sleep)
    connection.feed.queue.put({"type": "snapshot", "models": [], "pulls": []})
    bridge.handle(EVENTS)
    assert ended.wait(TIMEOUT)
    times = [at for at, message in sent if "item" in message]
    assert len(times) >= 45
    assert all(len([t for t in times if s <= t < s + 1 - 1e-9]) <= 10 for s in range(5))
    assert sent[-2][1]["item"]["pull"]["completed"] == next(number) - 1  # the last was told


def test_a_burst_of_many_subjects_loses_none() -> None:
    view, connection = View(), Feeding()
    burst = [{"type": "model", "model": {"id": f"m{n % 50}", "n": n}} for n in range(500)]
    script: Iterator[list[Any]] = iter([burst, [None]])
    clock = Clock(connection.feed, lambda _now: next(script, []))
    bridge = Bridge(connection, view.take, clock.sleep)
    connection.feed.queue.put({"type": "snapshot", "models": [], "pulls": []})
    bridge.handle(EVENTS)
    snapshot, *rest = view.all_of("a")
    assert snapshot["type"] == "snapshot"
    assert [event["model"]["n"] for event in rest] == [*range(450, 500)]


def test_what_came_before_an_error_is_told_before_it() -> None:
    view, connection = View(), Feeding()
    bridge = Bridge(connection, view.take, lambda _seconds: None)
    connection.feed.queue.put(pull("a/b", 1))
    connection.feed.queue.put(InvalidReference("No."))
    bridge.handle(EVENTS)
    event, failure = view.all_of("a")
    assert event == pull("a/b", 1)
    assert failure["error"]["code"] == "invalid_reference"


def test_bursts_keep_the_latest_of_each_in_order() -> None:
    bursts = EventCoalescer()
    model = {"type": "model", "model": {"id": "m"}}
    gone = {"type": "model_deleted", "id": "m"}
    for event in (model, pull("p", 1), pull("m", 1), gone, pull("p", 2)):
        bursts.add(event)
    assert bursts.take() == [pull("m", 1), gone, pull("p", 2)]
    for event in (gone, model, {"type": "pull_deleted", "name": "p"}, {"type": "new"}):
        bursts.add(event)
    assert bursts.take() == [model, {"type": "pull_deleted", "name": "p"}, {"type": "new"}]
    snapshot = {"type": "snapshot", "models": [], "pulls": []}
    for event in (model, snapshot, pull("p", 3)):
        bursts.add(event)
    bursts.end()
    assert bursts.take() == [snapshot, pull("p", 3)]
    assert bursts.take() == []
