"""A server whose models another server on the same home deletes and replaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from a3s_power_jupyter.store import ModelStore
from support.registering import register
from support.servers import Server, events_of, run_server
from support.waiting import wait_until

PARAMETERS = {"num_ctx": 256}


@pytest.fixture
def model(tmp_path: Path, smollm2_path: Path) -> Path:
    return Path(shutil.copy(smollm2_path, tmp_path / "model.gguf"))


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """The store of the other server."""
    return ModelStore(tmp_path / "power")


@pytest.fixture
def server(tmp_path: Path, other: ModelStore, model: Path) -> Iterator[Server]:
    """A server that keeps the model `a` loaded."""
    register(other, "a", model, default_parameters=PARAMETERS)
    with run_server(tmp_path, headless=True) as running:
        with running.api() as api:
            api.post("v1/models/a/load", json={"keep_alive": -1}).raise_for_status()
        yield running


def workers(server: Server) -> list[psutil.Process]:
    return [child for child in psutil.Process(server.pid).children() if is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "a3s_power_jupyter.engine.main" in process.cmdline()
    except psutil.Error:  # it has exited
        return False


def ask(api: httpx2.Client, **more: Any) -> httpx2.Response:
    return api.post("v1/completions", json={"model": "a", "prompt": "x", "max_tokens": 2} | more)


def test_a_deleted_model_is_unloaded_and_can_come_back(
    server: Server, other: ModelStore, model: Path
) -> None:
    body = {"model": "a", "prompt": "x", "max_tokens": 60, "stream": True}
    body["logit_bias"] = {"0": -100, "2": -100, "4": -100}
    with server.api() as api, api.stream("GET", "v1/events") as feed:
        changes = events_of(feed)
        assert next(changes)["type"] == "snapshot"
        with api.stream("POST", "v1/completions", json=body) as reply:
            generated = events_of(reply)
            next(generated)
            other.delete("a")
            refused = ask(api)
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                404,
                "model_not_found",
            )
            *_, last = generated
        assert last["choices"][0]["finish_reason"] == "length"  # type: ignore[index]
        assert {"type": "model_deleted", "id": "a"} in changes
        wait_until(lambda: not workers(server))
        assert "a was deleted" in server.log.read_text()
        for call in (api.delete, lambda path: api.post(f"{path}/unload")):
            assert call("v1/models/a").status_code == 404
        register(other, "a", model, default_parameters=PARAMETERS)
        assert ask(api).status_code == 200


def test_a_replaced_model_is_loaded_again(server: Server, other: ModelStore, model: Path) -> None:
    [old] = workers(server)
    with model.open("ab") as file:
        file.write(bytes(32))
    manifest, _ = register(other, "a", model, overwrite=True, default_parameters={"num_ctx": 512})
    with server.api() as api:
        assert ask(api).status_code == 200
        loaded = api.get("v1/models/a").json()
        assert (loaded["size_bytes"], loaded["num_ctx"]) == (manifest.size_bytes, 512)
    assert [worker.pid for worker in workers(server)] != [old.pid]
    assert "a was replaced" in server.log.read_text()


def test_a_removed_home(server: Server, model: Path) -> None:
    shutil.rmtree(server.home)
    wait_until(lambda: not workers(server))  # without a request
    with server.api() as api:
        # The server notices the end of the worker shortly after this test does.
        wait_until(lambda: api.get("v1/models").json()["data"] == [])
        assert ask(api).status_code == 404
        body = {"name": "a", "path": str(model), "default_parameters": PARAMETERS}
        assert api.post("v1/models", json=body).status_code == 201
        assert ask(api).status_code == 200
