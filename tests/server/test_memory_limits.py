"""A request that takes all memory ends with an error, and so does at most its own worker."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from a3s_power_jupyter.contract.errors import WorkerDied
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.ipc.environment import offline_environment
from a3s_power_jupyter.runtime.clock import SystemClock
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from a3s_power_jupyter.runtime.worker import Worker, WorkerContext
from support import tiny_models, tiny_vision
from support.servers import events_of, run_server
from support.waiting import wait_until

#: Bytes that a worker may use beyond its estimate.
HEADROOM = 512 * 2**20

#: A tokenizer that makes a million characters of each word "bomb".
BOMB = {"type": "Replace", "pattern": {"String": "bomb"}, "content": "x" * 10**6}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[httpx2.Client]:
    """A server with the models "good" and "bombs", and a small headroom."""
    folder = tmp_path_factory.mktemp("memory")
    directory = tiny_models.make(folder / "bombs", "LlamaConfig", tiny_models.byte_level("gpt-2"))
    path = directory / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": BOMB}))
    options = [f"--PowerApp.memory_headroom={HEADROOM}", "--PowerApp.prompt_cache=0"]
    with run_server(folder, *options, headless=True) as server, server.api() as api:
        register(api, "good", smollm2_path)
        register(api, "bombs", directory, isq="none")
        yield api


def register(api: httpx2.Client, name: str, path: Path, **parameters: object) -> None:
    body = {"name": name, "path": str(path), "default_parameters": parameters}
    assert api.post("v1/models", json=body).status_code == 201


async def test_a_load_that_takes_too_much_memory_ends_with_its_limit() -> None:
    """Importing transformers alone takes more than 51 MiB."""
    load = Load("safetensors", (), LoadParameters())

    async def prepare(_progress: object) -> Load:
        return load

    async def renew() -> LoadPlan:
        return plan

    manifest = Manifest("bombs", "safetensors", created=1)
    plan = LoadPlan(manifest, LoadParameters(), prepare, 50 * 2**20, 0.0, renew, headroom=2**20)
    deaths: list[WorkerDied] = []
    context = WorkerContext(60.0, SystemClock(), offline_environment, logging.getLogger("tests"))
    worker = await Worker.spawn(plan, deaths.append, context)
    with pytest.raises(WorkerDied, match="exceeded its memory limit"):
        await worker.load(load, lambda _value: None)
    assert len(deaths) == 1


def test_a_tokenizer_that_takes_all_memory_ends_its_worker_only(api: httpx2.Client) -> None:
    """The end-of-text tokens are suppressed, so that the other model's stream is long enough."""
    small = {"model": "bombs", "prompt": "hello", "max_tokens": 3}
    assert api.post("v1/completions", json=small).status_code == 200
    replies: list[httpx2.Response] = []
    bomb = {"model": "bombs", "prompt": "bomb" * 5000}
    ask = threading.Thread(target=lambda: replies.append(api.post("v1/completions", json=bomb)))
    bias = {"0": -100, "2": -100, "4": -100}
    long = {"model": "good", "prompt": "Once", "stream": True, "max_tokens": 5000}
    with api.stream("POST", "v1/completions", json=long | {"logit_bias": bias}) as stream:
        events = events_of(stream)
        next(events)
        ask.start()
        while ask.is_alive():
            assert "choices" in next(events)
        assert "choices" in next(events)
    assert replies[0].status_code == 503
    error = replies[0].json()["error"]
    assert error["code"] == "worker_died"
    assert "exceeded its memory limit of " in error["message"]
    assert "PowerApp.memory_headroom" in error["message"]
    assert api.post("v1/completions", json=small).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="Linux refuses memory above the limit")
def test_a_request_that_takes_too_much_memory_ends_alone(
    api: httpx2.Client, tmp_path: Path
) -> None:
    """The images of 80 kB take a gigabyte once they are decoded."""
    register(api, "vision", tiny_vision.make(tmp_path / "vision", "llava"))
    large = io.BytesIO()
    Image.new("L", (6000, 6000)).save(large, "PNG")
    small = tiny_vision.encode(tiny_vision.random_image(1))
    assert ask_about(api, small).status_code == 200
    reply = ask_about(api, *[large.getvalue()] * 10)
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "insufficient_memory"
    wait_until(lambda: api.get("v1/models/vision").json()["state"] == "loaded")
    assert ask_about(api, small).status_code == 200


def ask_about(api: httpx2.Client, *images: bytes) -> httpx2.Response:
    encoded = [base64.b64encode(image).decode() for image in images]
    message = {"role": "user", "content": "What?", "images": encoded}
    body = {"model": "vision", "messages": [message], "max_tokens": 3}
    return api.post("v1/chat/completions", json=body)
