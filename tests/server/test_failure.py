"""Workers and servers killed by signals while idle, loading and streaming."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from support.servers import Server, events_of, run_server
from support.waiting import wait_until

#: A request for a long answer. The end-of-text tokens are suppressed.
LONG = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Count from one to one thousand, in words."}],
    "max_tokens": 3000,
    "logit_bias": {"0": -100, "2": -100, "4": -100},
    "temperature": 0,
    "stream": True,
}
SHORT = {"model": "smollm2", "prompt": "Once upon a", "max_tokens": 3}
SOON = 15.0


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    """A server with workers to kill."""
    with run_server(tmp_path_factory.mktemp("fragile"), headless=True) as server:
        register(server, smollm2_path)
        yield server


@pytest.fixture
def api(fragile: Server) -> Iterator[httpx2.Client]:
    with fragile.api() as client:
        yield client


def register(server: Server, path: Path) -> None:
    with server.api() as api:
        body = {"name": "smollm2", "path": str(path)}
        assert api.post("v1/models", json=body).status_code == 201


def workers(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [child for child in children if "a3s_power_jupyter.engine.main" in child.cmdline()]


def ask(api: httpx2.Client) -> httpx2.Response:
    return api.post("v1/completions", json=SHORT)


def state(api: httpx2.Client) -> str:
    return str(api.get("v1/models/smollm2").json()["state"])


SIGNALS = pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV])


@SIGNALS
def test_killed_while_idle(fragile: Server, api: httpx2.Client, killer: signal.Signals) -> None:
    assert ask(api).status_code == 200
    (worker,) = workers(fragile.pid)
    worker.send_signal(killer)
    wait_until(lambda: state(api) == "failed")
    error = api.get("v1/models/smollm2").json()["error"]
    assert error["code"] == "worker_died"
    assert killer.name in error["message"]
    assert ask(api).status_code == 200
    assert "error" not in api.get("v1/models/smollm2").json()


@SIGNALS
def test_killed_while_streaming(
    fragile: Server, api: httpx2.Client, killer: signal.Signals
) -> None:
    with api.stream("POST", "v1/chat/completions", json=LONG) as reply:
        assert reply.status_code == 200
        events = events_of(reply)
        for _ in range(5):
            assert "choices" in next(events)
        (worker,) = workers(fragile.pid)
        worker.send_signal(killer)
        *_, last = events
    error = last["error"]
    assert isinstance(error, dict)
    assert error["code"] == "worker_died"
    assert killer.name in error["message"]
    assert "Traceback" not in error["message"]
    assert ask(api).status_code == 200


@SIGNALS
def test_killed_while_loading(fragile: Server, api: httpx2.Client, killer: signal.Signals) -> None:
    api.post("v1/models/smollm2/unload").raise_for_status()
    with api.stream(
        "POST", "v1/models/smollm2/load", headers={"Accept": "text/event-stream"}, json={}
    ) as reply:
        (worker,) = wait_until(lambda: workers(fragile.pid))
        worker.send_signal(killer)
        body = reply.read().decode()
    assert "worker_died" in body
    assert killer.name in body
    assert ask(api).status_code == 200


def test_a_disconnect_stops_the_generation(api: httpx2.Client) -> None:
    with api.stream("POST", "v1/chat/completions", json=LONG) as reply:
        events = events_of(reply)
        for _ in range(5):
            next(events)
        assert state(api) == "busy"
    wait_until(lambda: state(api) == "loaded")


def test_a_disconnect_before_a_json_reply_stops_the_generation(fragile: Server) -> None:
    with fragile.api() as impatient, pytest.raises(httpx2.ReadTimeout):
        impatient.post("v1/chat/completions", json=LONG | {"stream": False}, timeout=2.0)
    with fragile.api() as api:
        wait_until(lambda: state(api) == "loaded")


@pytest.mark.parametrize("moment", ["idle", "loading", "streaming"])
def test_workers_exit_with_a_killed_server(
    moment: str, start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    register(server, smollm2_path)
    with server.api() as api:
        if moment == "idle":
            assert ask(api).status_code == 200
            (worker,) = workers(server.pid)
            server.process.kill()
        else:
            path = "v1/models/smollm2/load" if moment == "loading" else "v1/chat/completions"
            headers = {"Accept": "text/event-stream"}
            body = {} if moment == "loading" else LONG
            with api.stream("POST", path, headers=headers, json=body) as reply:
                (worker,) = wait_until(lambda: workers(server.pid))
                if moment == "streaming":
                    next(events_of(reply))
                server.process.kill()
    server.process.wait()
    assert psutil.wait_procs([worker], timeout=SOON)[1] == []


def test_a_terminated_server_stops_its_workers(
    start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    register(server, smollm2_path)
    with server.api() as api:
        assert ask(api).status_code == 200
    (worker,) = workers(server.pid)
    server.process.terminate()
    assert server.process.wait(SOON) == 0
    assert not worker.is_running()
    assert not server.runtime_file.exists()
