"""Test llama.cpp on a GPU, in the workers of a server.

The references are the same models on the CPU.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support import servers
from support.paths import SUPPORT

PROMPTS = [[1, 5, 9], [1, *range(20, 60)], [1, 300, 7, 7, 7, 80, 12], [1, *range(90, 70, -1)]]
LAYERS = 8

#: Loads the model `m` with these default parameters, and returns it as the API describes it.
Load = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 8 layers in F32, 60 MB."""
    folder = tmp_path_factory.mktemp("llama")
    script = SUPPORT / "random_model.py"
    subprocess.run([sys.executable, script, folder, f"--layers={LAYERS}"], check=True)
    return folder / "model.gguf"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("server")
        server = stack.enter_context(servers.run_server(folder, headless=True))
        client = stack.enter_context(server.api())
        if not client.get("v1/health").json()["engines"]["llama.cpp"].get("gpu"):
            pytest.skip("needs a CUDA build of llama-cpp-python")
        yield client


@pytest.fixture
def load(api: Any, model: Path) -> Load:
    def load(**parameters: Any) -> dict[str, Any]:
        values = {"num_parallel": 4, "num_ctx": 256, "kv_cache_type": "f32", **parameters}
        body = {"name": "m", "path": str(model), "default_parameters": values, "overwrite": True}
        assert api.post("v1/models", json=body).status_code == 201
        reply = api.post("v1/models/m/load", json={})
        assert reply.status_code == 200, reply.text
        loaded: dict[str, Any] = reply.json()
        return loaded

    return load


def answers(api: Any) -> list[str]:
    body = {"model": "m", "prompt": PROMPTS, "max_tokens": 16, "temperature": 0}
    reply = api.post("v1/completions", json=body)
    assert reply.status_code == 200, reply.text
    return [choice["text"] for choice in reply.json()["choices"]]


def test_all_layers_are_offloaded_by_default(load: Load) -> None:
    assert load()["device"].startswith("CUDA")


def test_num_gpu_0_uses_the_cpu(load: Load) -> None:
    assert load(num_gpu=0)["device"] == "cpu"


@pytest.mark.parametrize("num_gpu", [-1, 3], ids=["all layers", "three layers"])
def test_parallel_prompts_are_answered_as_on_the_cpu(api: Any, load: Load, num_gpu: int) -> None:
    load(num_gpu=0, flash_attention=False)
    expected = answers(api)
    load(num_gpu=num_gpu, flash_attention=False)
    assert answers(api) == expected


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_quantized_caches_run_on_the_gpu(api: Any, load: Load, kind: str) -> None:
    load(kv_cache_type=kind, flash_attention=True)
    assert all(answers(api))


def test_embeddings_run_on_the_gpu(api: Any, load: Load) -> None:
    load()
    reply = api.post("v1/embeddings", json={"model": "m", "input": ["one", "two words"]})
    assert [len(item["embedding"]) for item in reply.json()["data"]] == [512, 512]
