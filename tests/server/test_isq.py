"""A real chat model in safetensors, with every kind of in-situ quantization (ISQ)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.servers import Server, events_of, run_server
from support.waiting import wait_until

QUESTION = "What is the capital city of France? Answer in one short English sentence."
GGML = ["Q4_0", "Q4K", "Q6K", "Q8_0"]
HQQ = ["HQQ4", "HQQ8", "none"]


@pytest.fixture(scope="module")
def server(smollm2_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the model registered once for each kind."""
    with run_server(tmp_path_factory.mktemp("isq"), headless=True) as running:
        with running.api() as api:
            for kind in [*GGML, *HQQ]:
                register(api, kind, smollm2_directory, isq=kind)
        yield running


def register(api: Any, name: str, path: Path, **parameters: Any) -> dict[str, Any]:
    body = {
        "name": name,
        "path": str(path),
        "format": "safetensors",
        "default_parameters": parameters,
    }
    reply = api.post("v1/models", json=body)
    assert reply.status_code == 201, reply.text
    model: dict[str, Any] = reply.json()
    return model


def ask(api: Any, name: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": 40, **more}
    reply = api.post("v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


@pytest.mark.parametrize("kind", [*GGML, *HQQ])
def test_every_kind_answers(server: Server, kind: str) -> None:
    with server.api() as api:
        answer = ask(api, kind)
        model = api.get(f"v1/models/{kind}").json()
        api.post(f"v1/models/{kind}/unload")
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert model["engine"] == ("llama.cpp" if kind in GGML else "transformers")
    assert "notes" not in model


def test_a_load_reports_its_conversion(server: Server, smollm2_directory: Path) -> None:
    """A second model with the same files uses the existing conversion."""
    headers = {"Accept": "text/event-stream"}
    with server.api() as api:
        register(api, "again", smollm2_directory, isq="Q6K")
        for path in (server.home / "models/conversions").glob("*.json"):
            if b'"Q6K"' in path.read_bytes():
                path.unlink()
        reply = api.post("v1/models/again/load", json={}, headers=headers)
        events: list[Any] = [*events_of(reply)]
        phases = [event["status"] for event in events]
        assert phases[-1] == "success"
        assert "converting" in phases
        values = [event["progress"] for event in events if event["status"] == "converting"]
        assert values == sorted(values)
        api.post("v1/models/again/unload")
        reply = api.post("v1/models/Q6K/load", json={}, headers=headers)
        phases = [str(event["status"]) for event in events_of(reply)]
        assert "converting" not in phases
        api.post("v1/models/Q6K/unload")


def test_a_conversion_is_deleted_with_the_last_of_its_models(
    smollm2_directory: Path, tmp_path: Path
) -> None:
    with run_server(tmp_path, headless=True) as server, server.api() as api:
        for name in ("a", "b"):
            register(api, name, smollm2_directory, isq="Q4_0")
            api.post(f"v1/models/{name}/load", json={})
        assert len(blobs(server)) == 1
        garbage = api.post("v1/models/gc", json={"dry_run": True}).json()
        assert garbage["removed"] == []
        assert api.delete("v1/models/a").json()["freed_bytes"] == 0
        assert len(blobs(server)) == 1
        assert api.delete("v1/models/b").json()["freed_bytes"] > 70e6
        assert blobs(server) == []
        assert [*(server.home / "models/conversions").iterdir()] == []


def test_a_killed_conversion_leaves_only_temporary_files(
    smollm2_directory: Path, tmp_path: Path
) -> None:
    """Kill the conversion process, then the server."""
    with run_server(tmp_path, headless=True) as server, server.api() as api:
        register(api, "m", smollm2_directory, isq="Q8_0")
        with api.stream("POST", "v1/models/m/load", json={}, headers=SSE) as reply:
            events = events_of(reply)
            next(events)
            os.kill(converter(server).pid, signal.SIGKILL)
            last: Any = [*events][-1]
        assert last["error"]["code"] == "model_load_failed"
        assert "SIGKILL" in last["error"]["message"]
        with api.stream("POST", "v1/models/m/load", json={}, headers=SSE) as reply:
            events = events_of(reply)  # dropping the iterator would cancel the load
            next(events)
            child = converter(server)
            wait_until(lambda: any(server.home.glob("models/blobs/tmp-*")))
            os.kill(server.pid, signal.SIGKILL)
        child.wait(10)
    with run_server(tmp_path, headless=True) as server, server.api() as api:
        garbage = api.post("v1/models/gc", json={"dry_run": False}).json()
        assert {removed["kind"] for removed in garbage["removed"]} == {"temporary"}
        assert "Paris" in ask(api, "m")["choices"][0]["message"]["content"]


def test_a_load_without_clients_is_cancelled(smollm2_directory: Path, tmp_path: Path) -> None:
    with run_server(tmp_path, headless=True) as server, server.api() as api:
        register(api, "m", smollm2_directory, isq="Q8_0")
        with api.stream("POST", "v1/models/m/load", json={}, headers=SSE) as reply:
            events = events_of(reply)
            next(events)
            child = converter(server)
        child.wait(10)
        wait_until(lambda: not any(server.home.glob("models/blobs/*")))  # nothing is left
        assert api.post("v1/models/gc", json={"dry_run": True}).json()["removed"] == []
        assert api.get("v1/models/m").json()["loaded"] is False


SSE = {"Accept": "text/event-stream"}


def blobs(server: Server) -> list[Path]:
    return [*(server.home / "models/blobs").glob("sha256-*")]


def converter(server: Server) -> psutil.Process:
    """Wait for the conversion process and return it."""

    def converters() -> list[psutil.Process]:
        children = psutil.Process(server.pid).children()
        return [c for c in children if any("convert.main" in part for part in c.cmdline())]

    return wait_until(converters)[0]
