"""Clients that leave while a real model is evicted, reloaded or about to answer.

`tests/unit/runtime/test_cancellation.py` tries every moment with fake workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from support.servers import Server, run_server, unread_post
from support.waiting import wait_until

#: Seconds for an operation that hangs if something was left behind.
SOON = 15.0


@pytest.fixture
def server(tmp_path: Path, smollm2_path: Path) -> Iterator[Server]:
    """A server with two models, of which one can be loaded at a time."""
    with run_server(tmp_path, "--PowerApp.max_loaded_models=1", headless=True) as running:
        with running.api() as api:
            for name in "ab":
                body = {
                    "name": name,
                    "path": str(smollm2_path),
                    "default_parameters": {"num_ctx": 256},
                }
                api.post("v1/models", json=body).raise_for_status()
        yield running


def ask(api: httpx2.Client, name: str) -> None:
    body = {"model": name, "prompt": "Once upon a", "max_tokens": 2}
    api.post("v1/completions", json=body, timeout=SOON).raise_for_status()


def state(api: httpx2.Client, name: str) -> str:
    return str(api.get(f"v1/models/{name}").json()["state"])


def leave_while_unloading(
    server: Server, api: httpx2.Client, name: str, path: str, body: dict[str, Any]
) -> None:
    """Send a request that unloads the model `name`, and leave once the unload has begun."""
    with unread_post(server, path, body):
        wait_until(lambda: state(api, name) not in ("loaded", "busy"))


def stop(server: Server) -> None:
    """Check that SIGTERM ends the server and its workers."""
    workers = psutil.Process(server.pid).children()
    server.process.terminate()
    assert server.process.wait(SOON) == 0
    assert not any(worker.is_running() for worker in workers)


def test_clients_leave_during_evictions_and_reloads(server: Server) -> None:
    with server.api() as api:
        for num_ctx in (300, 400, 500):
            ask(api, "a")
            body = {"model": "b", "prompt": "x", "max_tokens": 2}
            leave_while_unloading(server, api, "a", "v1/completions", body)
            ask(api, "a")
            leave_while_unloading(server, api, "a", "v1/models/a/load", {"num_ctx": num_ctx})
        for name in "ab":
            ask(api, name)
            api.post(f"v1/models/{name}/unload", timeout=SOON).raise_for_status()
            ask(api, name)
        ask(api, "a")
        leave_while_unloading(server, api, "a", "v1/models/a/load", {"num_ctx": 600})
    stop(server)


@pytest.mark.parametrize("stream", [True, False])
def test_clients_leave_right_after_their_requests(server: Server, stream: bool) -> None:
    body = {
        "model": "a",
        "messages": [{"role": "user", "content": "Count to one hundred."}],
        "max_tokens": 200,
        "logit_bias": {"0": -100, "2": -100, "4": -100},
        "stream": stream,
    }
    with server.api() as api:
        ask(api, "a")
        for _ in range(40):
            with unread_post(server, "v1/chat/completions", body):
                pass
        wait_until(lambda: state(api, "a") == "loaded", SOON)
        ask(api, "a")
        tokens = [
            float(line.split()[1])
            for line in api.get("metrics").text.splitlines()
            if line.startswith("power_inference_tokens_total{")
        ]
        assert sum(tokens) < 40 * 200 / 2  # most requests were stopped early
    stop(server)


def test_a_step_does_not_go_on_for_a_client_that_left(server: Server) -> None:
    """A step reads the whole prompt. The CPU time says how much of it the worker has read."""

    def body(first: int, stream: bool) -> dict[str, Any]:
        prompt = [first, *range(1000, 1800)]
        return {"model": "a", "prompt": prompt, "max_tokens": 1, "stream": stream}

    with server.api() as api:
        api.post("v1/models/a/load", json={"num_ctx": 1024, "num_batch": 1024, "num_parallel": 1})
        ask(api, "a")
        children = psutil.Process(server.pid).children()
        (worker,) = (p for p in children if "a3s_power_jupyter.engine.main" in p.cmdline())
        started = cpu_seconds(worker)
        api.post("v1/completions", json=body(1, False), timeout=10 * SOON).raise_for_status()
        whole = cpu_seconds(worker) - started
        for first, stream in ((2, True), (3, False)):
            started = cpu_seconds(worker)
            with unread_post(server, "v1/completions", body(first, stream)):
                wait_until(lambda: cpu_seconds(worker) > started + whole / 10)  # noqa: B023
            ask(api, "a")  # waits for the slot
            assert cpu_seconds(worker) - started < whole / 2
    stop(server)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
