"""Workers that are stopped by a signal, and do not answer any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from support.servers import Server, events_of, run_server
from support.waiting import wait_until

#: A request for a long answer. The end-of-text tokens are suppressed.
LONG = {
    "model": "smollm2",
    "prompt": "Once upon a time",
    "max_tokens": 3000,
    "logit_bias": {"0": -100, "2": -100, "4": -100},
    "stream": True,
}
SHORT = {"model": "smollm2", "prompt": "Once upon a", "max_tokens": 3}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    """A server with short timeouts."""
    options = ("--PowerApp.step_timeout=3", "--PowerApp.load_timeout=3")
    with run_server(tmp_path_factory.mktemp("silent"), *options, headless=True) as server:
        body = {"name": "smollm2", "path": str(smollm2_path), "default_parameters": {}}
        body["default_parameters"] = {"num_parallel": 2, "num_ctx": 4096}
        with server.api() as api:
            assert api.post("v1/models", json=body).status_code == 201
        yield server


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as api:
        yield api


def workers(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.pid).children()
    return [child for child in children if "a3s_power_jupyter.engine.main" in child.cmdline()]


def last_event(server: Server) -> dict[str, object]:
    with server.api() as api, api.stream("POST", "v1/completions", json=LONG) as reply:
        if reply.status_code != 200:
            return dict(json.loads(reply.read()))
        *_, last = events_of(reply)
        return last


def test_all_requests_of_a_stopped_worker_end_and_the_next_loads_the_model_again(
    server: Server, api: httpx2.Client
) -> None:
    assert api.post("v1/completions", json=SHORT).status_code == 200
    (worker,) = workers(server)
    with ThreadPoolExecutor(3) as threads:
        # Two requests are processed and one waits for a slot.
        requests = [threads.submit(last_event, server) for _ in range(3)]
        wait_until(lambda: power_waiting(api) == 1)
        worker.suspend()
        wait_until(lambda: sum(request.done() for request in requests) == 2, 120)
        # The third request loads the model again, and is ended here because it is long.
        wait_until(lambda: len(workers(server)) == 1 and workers(server) != [worker])
        wait_until(lambda: api.post("v1/models/smollm2/unload?force=true").status_code == 200)
        last_events = [request.result(120) for request in requests]
    errors = [event["error"] for event in last_events if "step_timeout" in str(event)]
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, dict)
        assert error["code"] == "worker_died"
        assert "did not answer for 3 seconds (PowerApp.step_timeout)" in error["message"]
    assert not worker.is_running()
    assert api.post("v1/completions", json=SHORT).status_code == 200
    assert len(workers(server)) == 1


def power_waiting(api: httpx2.Client) -> float:
    lines = api.get("metrics").text.splitlines()
    values = [line.split()[1] for line in lines if line.startswith("power_requests_waiting ")]
    return float(values[0])


def test_a_worker_without_requests_may_be_silent(server: Server, api: httpx2.Client) -> None:
    assert api.post("v1/completions", json=SHORT).status_code == 200
    (worker,) = workers(server)
    worker.suspend()
    with pytest.raises(psutil.TimeoutExpired):
        worker.wait(5)
    worker.resume()
    assert api.post("v1/completions", json=SHORT).status_code == 200
    assert workers(server) == [worker]


def test_a_stopped_worker_can_be_unloaded(server: Server, api: httpx2.Client) -> None:
    assert api.post("v1/completions", json=SHORT).status_code == 200
    (worker,) = workers(server)
    worker.suspend()
    api.post("v1/models/smollm2/unload").raise_for_status()
    assert not worker.is_running()


def test_a_load_whose_worker_is_stopped_fails(server: Server, api: httpx2.Client) -> None:
    api.post("v1/models/smollm2/unload").raise_for_status()
    with ThreadPoolExecutor(1) as threads:
        loading = threads.submit(lambda: api.post("v1/models/smollm2/load", json={}))
        (worker,) = wait_until(lambda: workers(server))
        worker.suspend()
        reply = loading.result(120)
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "model_load_failed"
    assert "no progress for 3 seconds" in reply.json()["error"]["message"]
    assert not worker.is_running()
    assert api.post("v1/completions", json=SHORT).status_code == 200


def test_a_request_is_not_ended_while_the_whole_server_is_stopped(
    server: Server, api: httpx2.Client
) -> None:
    with api.stream("POST", "v1/completions", json=LONG | {"max_tokens": 100}) as reply:
        events = events_of(reply)
        next(events)
        processes = [psutil.Process(server.pid), *workers(server)]
        for process in processes:
            process.suspend()
        with pytest.raises(psutil.TimeoutExpired):
            processes[1].wait(5)
        for process in processes:
            process.resume()
        *_, last = events
    assert "error" not in last
