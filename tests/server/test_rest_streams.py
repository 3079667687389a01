"""Event streams: headers, keep-alive comments, slow clients and disconnecting clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice

import httpx2
import pytest

from a3s_power_jupyter.handlers import event_stream
from support import fake_models
from support.servers import Server, unread_post
from support.waiting import wait_until

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def api(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


def active(api: httpx2.Client) -> int:
    return int(api.get("v1/health").json()["active"])


def lookups(api: httpx2.Client) -> int:
    """Return how many requests have looked up their model."""
    return int(api.get("v1/health").json()["lookups"])


def test_a_disconnect_stops_the_generation(api: httpx2.Client) -> None:
    body = {"model": "endless", "stream": True, **CHAT}
    with api.stream("POST", "v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        assert active(api) == 1
    wait_until(lambda: active(api) == 0)


@pytest.mark.parametrize("n", [1, 3])
def test_a_disconnect_before_a_json_reply_stops_the_generation(api: httpx2.Client, n: int) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        api.post("v1/chat/completions", json={"model": "endless", "n": n, **CHAT}, timeout=0.5)
    wait_until(lambda: active(api) == 0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_disconnect_right_after_the_request_stops_the_generation(
    api: httpx2.Client, fake_server: Server, stream: bool
) -> None:
    body = {"model": "endless", "stream": stream, **CHAT}
    before = lookups(api)
    for _ in range(40):
        with unread_post(fake_server, "v1/chat/completions", body):
            pass
    wait_until(lambda: lookups(api) == before + 40)
    wait_until(lambda: active(api) == 0)


def test_a_disconnect_is_not_logged_as_an_error(api: httpx2.Client, fake_server: Server) -> None:
    before = len(fake_server.log.read_text())
    with api.stream("GET", "v1/events") as response:
        assert "snapshot" in next(response.iter_lines())
    with pytest.raises(httpx2.ReadTimeout):
        api.post("v1/chat/completions", json={"model": "endless", **CHAT}, timeout=0.5)
    wait_until(lambda: 'status="499"' in api.get("metrics").text)
    log = fake_server.log.read_text()[before:]
    assert "Traceback" not in log
    assert "Exception" not in log


def test_a_slow_client_pauses_the_generation(api: httpx2.Client, fake_server: Server) -> None:
    """The model stops generating once the buffers of the connection are full."""
    body = {"model": "endless", "stream": True, **CHAT}
    with unread_post(fake_server, "v1/chat/completions", body):
        wait_until(lambda: generated(api) > 0)
        wait_until(lambda: is_constant(lambda: generated(api)), seconds=60)
        assert active(api) == 1
    wait_until(lambda: active(api) == 0)


def generated(api: httpx2.Client) -> int:
    """Return the bytes that the endless model has generated so far."""
    return int(api.get("v1/health").json()["generated_bytes"])


def is_constant(count: Callable[[], int]) -> bool:
    """Return whether `count` stays the same while the endless model would generate 2 MB."""
    before = count()
    time.sleep(0.5)
    return count() == before


def test_comments_keep_an_idle_stream_alive(start_server: Callable[..., Server]) -> None:
    """Comments are sent before the first event and between two events."""
    assert event_stream.KEEP_ALIVE == 15.0  # as in docs/rest.md; shorter in this server
    server = start_server(fake="ImpatientService")
    body = {"model": "silent", "stream": True, **CHAT}
    with server.api() as api, api.stream("POST", "v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        lines = filter(None, response.iter_lines())
        for _ in range(2):
            assert next(lines) == ": keep-alive"
            api.post("v1/models/silent/pin").raise_for_status()
            data = filter(lambda line: line != ": keep-alive", lines)
            assert [line[:6] for line in islice(data, 2)] == ["data: "] * 2


def test_spaces_keep_an_idle_stream_of_lines_alive(start_server: Callable[..., Server]) -> None:
    """They are before a line, where readers of JSON skip them, and never after the last line."""
    server = start_server(fake="ImpatientService")
    body = {"model": "silent", **CHAT}
    received = b""
    with server.api() as api, api.stream("POST", "api/chat", json=body) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson"
        for part in response.iter_raw():
            if part.strip() == b"":
                api.post("v1/models/silent/pin").raise_for_status()
            received += part
    *lines, rest = received.split(b"\n")
    assert rest == b""
    assert any(line.startswith(b" ") for line in lines)
    assert [json.loads(line)["done"] for line in lines][-2:] == [False, True]


def test_events_start_with_a_snapshot(api: httpx2.Client) -> None:
    with api.stream("GET", "v1/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        first = next(response.iter_lines())
    snapshot = json.loads(first.removeprefix("data: "))
    assert list(snapshot) == ["type", "instance", "models", "pulls"]
    assert snapshot["type"] == "snapshot"
    assert [model["id"] for model in snapshot["models"]] == fake_models.NAMES
