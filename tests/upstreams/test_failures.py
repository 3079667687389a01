"""Servers that are killed, and clients that leave."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from support.ports import free_port, free_ports
from support.servers import error_code, events_of
from support.waiting import wait_until

from .conftest import Far, register
from .kinds import KINDS, Kind, Models, Running, jupyter_power, llama_cpp

#: A text whose continuation does not end within a test.
ENDLESS = {"prompt": "1, 2, 3, 4, 5, 6, 7,", "max_tokens": 3500, "temperature": 0}

#: Seconds until a server has stopped. The whole continuation takes longer.
STOP = 8


def cpu_seconds(server: Running) -> float:
    process = psutil.Process(server.process.pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def is_busy(server: Running) -> bool:
    before = cpu_seconds(server)
    time.sleep(0.5)
    return cpu_seconds(server) - before > 0.1


def test_a_client_that_leaves_stops_the_generation(far: Far) -> None:
    body = ENDLESS | {"model": far.name, "stream": True}
    with far.api.stream("POST", "v1/completions", json=body) as reply:
        events = events_of(reply)  # which closes the connection when it is deleted
        next(events)
        assert is_busy(far.server)
    wait_until(lambda: not is_busy(far.server), STOP)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_a_server_that_is_killed_and_started_again(
    kind: Kind, api: httpx2.Client, models: Models, tmp_path: Path, starting: ExitStack
) -> None:
    port = free_port()
    server = starting.enter_context(kind.start(tmp_path, port, models))
    register(api, "mortal", server.url, server.model)
    body = ENDLESS | {"model": "mortal", "stream": True}
    with api.stream("POST", "v1/completions", json=body) as reply:
        events: Any = events_of(reply)
        next(events)
        server.kill()
        last = [*events][-1]
    assert last["error"]["code"] == "upstream_error"
    once = ENDLESS | {"model": "mortal", "max_tokens": 3}
    for stream in (False, True):
        failed = api.post("v1/completions", json=once | {"stream": stream})
        assert (failed.status_code, error_code(failed)) == (502, "upstream_unreachable")
    assert api.get("v1/models/mortal").json()["state"] == "failed"
    starting.enter_context(kind.start(tmp_path, port, models))
    answer = api.post("v1/completions", json=once).raise_for_status().json()
    assert answer["usage"]["completion_tokens"] == 3
    assert api.get("v1/models/mortal").json()["state"] == "loaded"


def test_two_different_servers_of_one_model(
    api: httpx2.Client, models: Models, tmp_path: Path, starting: ExitStack
) -> None:
    ports = free_ports(2)
    (tmp_path / "power").mkdir()
    first = starting.enter_context(llama_cpp(tmp_path, ports[0], models))
    second = starting.enter_context(jupyter_power(tmp_path / "power", ports[1], models))
    register(api, "both", [first.url, second.url], "smollm2")
    assert api.post("v1/models/both/load", json={}).raise_for_status().json()["state"] == "loaded"
    once = ENDLESS | {"model": "both", "max_tokens": 8}

    def ask() -> str:
        text: str = (
            api.post("v1/completions", json=once).raise_for_status().json()["choices"][0]["text"]
        )
        return text

    body = ENDLESS | {"model": "both", "stream": True}
    with api.stream("POST", "v1/completions", json=body) as reply:
        events = events_of(reply)
        next(events)
        assert ask() == " 8, 9, 1"  # by the server that is not busy
        states = api.get("v1/models/both").json()["upstreams"]
        assert [state["state"] for state in states] == ["available", "available"]
    first.kill()
    for number in range(24):  # each conversation begins with one of the servers
        body = once | {"prompt": f"{number}. Once", "max_tokens": 1}
        assert api.post("v1/completions", json=body).is_success
    states = [state["state"] for state in api.get("v1/models/both").json()["upstreams"]]
    assert states == ["failed", "available"]
    second.kill()
    failed = api.post("v1/completions", json=once)
    assert (failed.status_code, error_code(failed)) == (502, "upstream_unreachable")
    assert first.url in failed.text
    assert second.url in failed.text
