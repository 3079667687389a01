"""Test the replies to views that send requests through the kernel."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from a3s_power_jupyter.client.address import Server as Address
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.widgets.bridge import Bridge
from support.bridge_ends import (
    CHAT,
    TIMEOUT,
    FeedConnection,
    View,
    closed_streams,
    wait_for_threads,
)
from support.servers import Server
from support.stub_server import StubServer
from support.waiting import wait_until


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def bridge(fake_server: Server, view: View) -> Iterator[Bridge]:
    connection = Connection(Address(url=fake_server.url, key=fake_server.key))
    bridge = Bridge(connection, view.receive)
    yield bridge
    bridge.close()
    connection.close()


# ---------------------------------------------------------------- requests


def test_the_reply_to_a_request_is_one_item(bridge: Bridge, view: View) -> None:
    bridge.handle({"id": "a", "method": "GET", "path": "models"})
    (listed,) = view.all_of("a")
    assert "endless" in [model["id"] for model in listed["data"]]
    path = "models/org%2Frepo%3AQ4_K_M/pin"
    bridge.handle({"id": "b", "method": "POST", "path": path, "body": {}})
    (model,) = view.all_of("b")
    assert (model["id"], model["pinned"]) == ("org/repo:Q4_K_M", True)


def test_errors_of_the_server_are_forwarded(bridge: Bridge, view: View) -> None:
    # Dots within a name are allowed, unlike dot segments.
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
        "gc",
        "completions",
        "modelsx",
        "hubs",
        "hub/../api",
        "events#x",
        "models/a b",
        "http://127.0.0.1/models",
        "",
        None,
    ],
)
def test_other_paths_are_rejected(view: View, path: str | None) -> None:
    bridge = Bridge(FeedConnection(), view.receive)  # fails on any request
    bridge.handle({"id": "a", "method": "GET", "path": path})
    (item,) = view.all_of("a")
    assert item["error"]["code"] == "invalid_parameter"
    assert "Widgets cannot request" in item["error"]["message"]


def test_requests_have_no_timeout(view: View) -> None:
    class SlowConnection(FeedConnection):
        def request(
            self, method: str, path: str, *, body: object = None, timeout: float | None = 60.0
        ) -> bytes:
            return b'{"timeout": "none"}' if timeout is None else b'{"timeout": "some"}'

    Bridge(SlowConnection(), view.receive).handle(
        {"id": "a", "method": "POST", "path": "models/x/load"}
    )
    assert view.all_of("a") == [{"timeout": "none"}]


def test_an_unexpected_error_is_forwarded_and_logged(
    view: View, caplog: pytest.LogCaptureFixture
) -> None:
    with StubServer(lambda request: request.send(b"<html>Log in first</html>")) as server:
        connection = Connection(Address(url=server.url))
        Bridge(connection, view.receive).handle({"id": "a", "method": "GET", "path": "models"})
        (item,) = view.all_of("a")
        connection.close()
    assert item["error"]["code"] == "internal_error"
    (record,) = [r for r in caplog.records if r.name == "a3s_power_jupyter.widgets"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], json.JSONDecodeError)


# ---------------------------------------------------------------- streams


def test_the_items_of_a_stream_are_in_order(bridge: Bridge, view: View) -> None:
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


def test_stop_a_stream(bridge: Bridge, view: View, fake_server: Server) -> None:
    before = closed_streams(fake_server)
    bridge.handle({"id": "a", **CHAT, "body": {**CHAT["body"], "model": "endless"}})
    for _ in range(5):
        view.next()
    bridge.handle({"id": "a", "stop": True})
    wait_until(lambda: closed_streams(fake_server) > before)
    # Nothing is sent after the stop, and other requests are still answered.
    while not view.is_quiet:
        assert "done" not in view.next()
    bridge.handle({"id": "b", "method": "GET", "path": "models"})
    assert len(view.all_of("b")) == 1


def test_stop_a_stream_before_it_opens(view: View, caplog: pytest.LogCaptureFixture) -> None:
    hold = threading.Event()
    connection = FeedConnection(hold)
    bridge = Bridge(connection, view.receive)
    connection.feed.queue.put({"never": "seen"})
    bridge.handle({"id": "a", **CHAT})
    bridge.handle({"id": "a", "stop": True})
    hold.set()
    assert connection.feed.closed.wait(TIMEOUT)
    wait_for_threads()
    assert view.is_quiet
    assert caplog.records == []


def test_stopping_a_finished_stream_has_no_effect(bridge: Bridge, view: View) -> None:
    bridge.handle({"id": "a", "stop": True})
    bridge.handle({"id": "a", **CHAT})
    assert len(view.all_of("a")) > 1


def test_closing_stops_every_stream(bridge: Bridge, view: View, fake_server: Server) -> None:
    before = closed_streams(fake_server)
    for id_ in ("a", "b"):
        bridge.handle({"id": id_, **CHAT, "body": {**CHAT["body"], "model": "endless"}})
    assert {view.next()["id"] for _ in range(200)} == {"a", "b"}
    bridge.close()
    wait_until(lambda: closed_streams(fake_server) == before + 2)
