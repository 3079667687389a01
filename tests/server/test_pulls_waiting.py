"""Pulls that wait for the hub say so, and end within seconds when they are paused or cancelled."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from support.hub_fetching import random_bytes
from support.hub_server import HubServer, run_hub
from support.model_files import gguf
from support.server_pulls import name_of, partials, pull, start, status_of
from support.servers import Server, events_of, run_server
from support.waiting import wait_until

CONTENT = gguf() + random_bytes(300_000)
BUSY = {"status": 429, "headers": {"Retry_After": "200"}}

#: What the hub does, by repository.
WAITS: dict[str, dict[str, Any]] = {
    "BusyApi": {"stage": "api", **BUSY},
    "SilentApi": {"stage": "api", "delay": 100.0},
    "DrippingApi": {"stage": "api", "drip": 0.2},
    "BusyHead": {"stage": "head", **BUSY},
    "DrippingHead": {"stage": "head", "drip": 0.2},
    "BusyFile": {"stage": "bytes", **BUSY},
    "StalledFile": {"stage": "bytes", "stall_after": 100_000, "stall_for": 100.0},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with run_hub() as running:
        for name in WAITS:
            # Other content for each, so that no pull finds its file in the store.
            content = CONTENT + name.encode()
            running.add(f"tests/{name}-GGUF", {f"{name}-Q4_1.gguf": content})
        yield running


@pytest.fixture(scope="module")
def environ(hub: HubServer) -> dict[str, str]:
    """Variables with a proxy that nothing listens on, unused for a hub on this machine."""
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    return {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "NO_PROXY": "", "no_proxy": ""} | proxies


@pytest.fixture(scope="module")
def server(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("waits"), headless=True, environ=environ) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_failures(hub: HubServer) -> Iterator[None]:
    yield
    hub.clear_failures()


def fail(hub: HubServer, name: str) -> None:
    failure = WAITS[name]
    path = f"{name}-Q4_1.gguf" if failure["stage"] != "api" else "/revision/main"
    hub.fail(path, times=None, **failure)


def begin(hub: HubServer, server: Server, name: str) -> None:
    """Start a pull and wait until it waits for the hub."""
    seen = len(hub.requests)
    start(server, name_of(name), at_least=0)
    if WAITS[name]["stage"] == "bytes":
        wait_until(lambda: any(r.host == "cdn" for r in hub.requests[seen:]), 60)
    elif WAITS[name]["stage"] == "head":
        wait_until(lambda: any(r.method == "HEAD" for r in hub.requests[seen:]), 60)
    else:
        wait_until(lambda: len(hub.requests) > seen, 60)


def children_of(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.pid).children(recursive=True)


@pytest.mark.parametrize("name", WAITS)
def test_pausing_and_cancelling_end_every_wait(hub: HubServer, server: Server, name: str) -> None:
    fail(hub, name)
    begin(hub, server, name)
    with server.api() as api:
        url = f"v1/models/pull/{name_of(name)}"
        began = time.monotonic()
        assert api.post(f"{url}/pause").json()["status"] == "paused"
        assert time.monotonic() - began < 15
        assert children_of(server) == []
        begin(hub, server, name)
        began = time.monotonic()
        assert api.delete(url).json()["status"] == "cancelled"
        assert time.monotonic() - began < 15
    assert children_of(server) == []
    assert partials(server) == []
    hub.clear_failures()
    assert pull(server, name_of(name))[-1]["status"] == "success"


@pytest.mark.parametrize("name", ["BusyApi", "BusyFile"])
def test_the_status_and_the_events_say_what_a_pull_waits_for(
    hub: HubServer, environ: dict[str, str], start_server: Callable[..., Server], name: str
) -> None:
    server = start_server(headless=True, environ=environ)
    fail(hub, name)
    begin(hub, server, name)
    attempts = 4 if name == "BusyApi" else 10
    reason = "The hub answers" if name == "BusyApi" else "The server answers"

    def is_said(status: dict[str, Any]) -> bool:
        note = status.get("note", "")
        return (
            status.get("phase") == "waiting"
            and note.startswith(f"{reason} with status 429. Retrying in ")
            and note.endswith(f" s, attempt 2 of {attempts}.")
        )

    wait_until(lambda: is_said(status_of(server, name_of(name))), 60)
    body = {"name": name_of(name)}
    with server.api() as api, api.stream("POST", "v1/models/pull", json=body) as response:
        for event in events_of(response):
            assert isinstance(event, dict)
            if event["status"] == "waiting":
                assert is_said(event["pull"])
                assert event["note"] == event["pull"]["note"]
                break
    # The client has left. The pull waits on until it is cancelled.
    assert status_of(server, name_of(name))["status"] == "pulling"
    with server.api() as api:
        cancelled = api.delete(f"v1/models/pull/{name_of(name)}").json()
    assert "note" not in cancelled


def test_a_server_stops_while_its_pulls_wait(
    hub: HubServer, environ: dict[str, str], start_server: Callable[..., Server]
) -> None:
    option = f"--PowerApp.max_pulls={len(WAITS) - 1}"  # one pull waits for the others
    server = start_server(option, headless=True, environ=environ)
    for name in WAITS:
        fail(hub, name)
    last: dict[str, str] = {}

    def watch(name: str) -> None:
        last[name] = pull(server, name_of(name))[-1]["status"]

    watchers = [threading.Thread(target=watch, args=(name,)) for name in WAITS]
    for watcher in watchers:
        watcher.start()
    # One pull waits for the others; one process watches the children of the server.
    wait_until(lambda: len(children_of(server)) == len(WAITS), 60)
    time.sleep(1)  # any moment will do
    children = children_of(server)
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(30) == 0
    for watcher in watchers:
        watcher.join(30)
    assert last == dict.fromkeys(WAITS, "paused")
    assert psutil.wait_procs(children, timeout=0)[1] == []
