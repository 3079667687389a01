"""What a view that asks through the kernel gets, from real servers and from streams on order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from servers import Server
from stub_server import StubServer

from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.client.connection import Server as Address
from a3s_power_jupyter.errors import InvalidReference
from a3s_power_jupyter.widgets.bridge import Bridge
from a3s_power_jupyter.widgets.bursts import Bursts

TIMEOUT = 30.0
CHAT: dict[str, Any] = {
    "method": "POST",
    "path": "chat/completions",
    "body": {"model": "a/load", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
    "stream": True,
}


class View:
    """The other end of a widget's messages."""

    def __init__(self) -> None:
        self._messages: Queue[dict[str, Any]] = Queue()

    def take(self, message: dict[str, Any]) -> None:
        self._messages.put(message)

    def next(self) -> dict[str, Any]:
        return self._messages.get(timeout=TIMEOUT)

    def all_of(self, id_: str) -> list[Any]:
        """The items of one reply, when it is done."""
        items = []
        while True:
            message = self.next()
            assert message["id"] == id_
            if "item" in message:
                items.append(message["item"])
            if message.get("done"):
                return items

    @property
    def is_quiet(self) -> bool:
        return self._messages.empty()


class Feed:
    """A stream of what a test puts into it; None ends it, an exception breaks it."""

    def __init__(self) -> None:
        self.queue: Queue[dict[str, Any] | Exception | None] = Queue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (event := self.queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
            self.queue.task_done()  # whoever reads has come back for more

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.queue.put(RuntimeError("read of a stream that is closed"))


class Feeding:
    """A connection whose streams are feeds; with `hold`, they open when that is set."""

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.feed = Feed()
        self._hold = hold

    def request(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> bytes:
        raise AssertionError("nobody asked for that")

    def stream(self, method: str, path: str, *, body: object = None) -> Feed:
        if self._hold is not None:
            assert self._hold.wait(TIMEOUT)
        return self.feed


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def bridge(fake_server: Server, view: View) -> Iterator[Bridge]:
    connection = Connection(Address(url=fake_server.url, key=fake_server.key))
    bridge = Bridge(connection, view.take)
    yield bridge
    bridge.close()
    connection.close()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def closed_streams(server: Server) -> int:
    """How many generations of the endless model have ended."""
    with server.api() as api:
        calls: list[Any] = api.get("v1/health").json()["calls"]
    return calls.count(["endless", "closed"])


# ---------------------------------------------------------------- requests


def test_a_request_has_one_item(bridge: Bridge, view: View) -> None:
    bridge.handle({"id": "a", "method": "GET", "path": "models"})
    (listed,) = view.all_of("a")
    assert "endless" in [model["id"] for model in listed["data"]]
    path = "models/org%2Frepo%3AQ4_K_M/pin"
    bridge.handle({"id": "b", "method": "POST", "path": path, "body": {}})
    (model,) = view.all_of("b")
    assert (model["id"], model["pinned"]) == ("org/repo:Q4_K_M", True)


def test_errors_of_the_contract_reach_the_view(bridge: Bridge, view: View) -> None:
    # Dots in a name are no way out, as those of other paths are.
    bridge.handle({"id": "a", "method": "GET", "path": "models/a..b"})
    (item,) = view.all_of("a")
    assert item["error"]["code"] == "model_not_found"
    assert item["error"]["param"] == "model"


@pytest.mark.parametrize(
    "path",
    [
        "api/contents",
        "models/../../api/contents",
        "models/%2E%2e/%2e./api",
        "models/./x",
        "health",
        "completions",
        "modelsx",
        "events#x",
        "models/a b",
        "http://127.0.0.1/models",
        "",
        None,
    ],
)
def test_views_ask_for_nothing_else(view: View, path: str | None) -> None:
    bridge = Bridge(Feeding(), view.take)  # which is asked for nothing
    bridge.handle({"id": "a", "method": "GET", "path": path})
    (item,) = view.all_of("a")
    assert item["error"]["code"] == "invalid_parameter"
    assert "A view does not ask for" in item["error"]["message"]


def test_a_request_waits_as_long_as_the_server_takes(view: View) -> None:
    class Patient(Feeding):
        def request(
            self, method: str, path: str, *, body: object = None, timeout: float | None = 60.0
        ) -> bytes:
            return b'{"timeout": "none"}' if timeout is None else b'{"timeout": "some"}'

    Bridge(Patient(), view.take).handle({"id": "a", "method": "POST", "path": "models/x/load"})
    assert view.all_of("a") == [{"timeout": "none"}]


def test_what_nobody_expects_is_answered_and_logged(
    view: View, caplog: pytest.LogCaptureFixture
) -> None:
    with StubServer(lambda request: request.send(b"<html>Log in first</html>")) as server:
        connection = Connection(Address(url=server.url))
        Bridge(connection, view.take).handle({"id": "a", "method": "GET", "path": "models"})
        (item,) = view.all_of("a")
        connection.close()
    assert item["error"]["code"] == "internal_error"
    (record,) = [r for r in caplog.records if r.name == "a3s_power_jupyter.widgets"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], json.JSONDecodeError)


# ---------------------------------------------------------------- streams


def test_a_stream_has_all_items_in_order(bridge: Bridge, view: View) -> None:
    bridge.handle({"id": "a", **CHAT})
    chunks = view.all_of("a")
    texts = [choice["delta"].get("content") for c in chunks for choice in c["choices"]]
    assert "".join(filter(None, texts)) == "Hello"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("model", "code"), [("dies", "worker_died"), ("busy", "server_busy")])
def test_an_error_ends_a_stream(bridge: Bridge, view: View, model: str, code: str) -> None:
    bridge.handle({"id": "a", **CHAT, "body": {**CHAT["body"], "model": model}})
    *_, last = view.all_of("a")
    assert last["error"]["code"] == code


def test_a_stream_is_stopped_midway(bridge: Bridge, view: View, fake_server: Server) -> None:
    before = closed_streams(fake_server)
    bridge.handle({"id": "a", **CHAT, "body": {**CHAT["body"], "model": "endless"}})
    for _ in range(5):
        view.next()
    bridge.handle({"id": "a", "stop": True})
    wait_until(lambda: closed_streams(fake_server) > before)
    # Nothing came after the stop, and others are served as before.
    while not view.is_quiet:
        assert "done" not in view.next()
    bridge.handle({"id": "b", "method": "GET", "path": "models"})
    assert len(view.all_of("b")) == 1


def test_a_stream_is_stopped_before_it_began(view: View, caplog: pytest.LogCaptureFixture) -> None:
    hold = threading.Event()
    connection = Feeding(hold)
    bridge = Bridge(connection, view.take)
    connection.feed.queue.put({"never": "seen"})
    bridge.handle({"id": "a", **CHAT})
    bridge.handle({"id": "a", "stop": True})
    hold.set()
    assert connection.feed.closed.wait(TIMEOUT)
    wait_for_threads()
    assert view.is_quiet
    assert caplog.records == []


def test_a_stop_of_what_has_ended_stops_nothing_else(bridge: Bridge, view: View) -> None:
    bridge.handle({"id": "a", "stop": True})
    bridge.handle({"id": "a", **CHAT})
    assert len(view.all_of("a")) > 1


def test_closing_ends_every_stream(bridge: Bridge, view: View, fake_server: Server) -> None:
    before = closed_streams(fake_server)
    for id_ in ("a", "b"):
        bridge.handle({"id": id_, **CHAT, "body": {**CHAT["body"], "model": "endless"}})
    assert {view.next()["id"] for _ in range(200)} == {"a", "b"}
    bridge.close()
    wait_until(lambda: closed_streams(fake_server) == before + 2)


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("a3s-power-"):
            thread.join(TIMEOUT)


# ---------------------------------------------------------------- events


def pull(name: str, completed: int) -> dict[str, Any]:
    return {"type": "pull", "pull": {"name": name, "completed": completed}}


class Clock:
    """The time of a bridge; in each of its pauses the server sends what `arrives` gives."""

    def __init__(self, feed: Feed, arrives: Callable[[float], list[Any]]) -> None:
        self.now = 0.0
        self._feed = feed
        self._arrives = arrives

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        events = self._arrives(self.now)
        for event in events:
            self._feed.queue.put(event)
        if events and None not in events:
            self._feed.queue.join()


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
    bridge.handle({"id": "a", "method": "GET", "path": "events", "stream": True})
    assert ended.wait(TIMEOUT)
    times = [at for at, message in sent if "item" in message]
    assert len(times) >= 45
    assert all(len([t for t in times if s <= t < s + 1 - 1e-9]) <= 10 for s in range(5))
    assert sent[-2][1]["item"]["pull"]["completed"] == next(number) - 1  # the last was told


def test_a_burst_of_many_subjects_loses_none(view: View) -> None:
    connection = Feeding()
    burst = [{"type": "model", "model": {"id": f"m{n % 50}", "n": n}} for n in range(500)]
    script: Iterator[list[Any]] = iter([burst, [None]])
    clock = Clock(connection.feed, lambda _now: next(script, []))
    bridge = Bridge(connection, view.take, clock.sleep)
    connection.feed.queue.put({"type": "snapshot", "models": [], "pulls": []})
    bridge.handle({"id": "a", "method": "GET", "path": "events", "stream": True})
    snapshot, *rest = view.all_of("a")
    assert snapshot["type"] == "snapshot"
    assert [event["model"]["n"] for event in rest] == [*range(450, 500)]


def test_what_came_before_an_error_is_told_before_it(view: View) -> None:
    connection = Feeding()
    bridge = Bridge(connection, view.take, lambda _seconds: None)
    connection.feed.queue.put(pull("a/b", 1))
    connection.feed.queue.put(InvalidReference("No."))
    bridge.handle({"id": "a", "method": "GET", "path": "events", "stream": True})
    event, failure = view.all_of("a")
    assert event == pull("a/b", 1)
    assert failure["error"]["code"] == "invalid_reference"


def test_bursts_keep_the_latest_of_each_in_order() -> None:
    bursts = Bursts()
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
