"""Test the llama.cpp engine on a GPU, stepped in this process.

The references are the same models on the CPU. torch makes the model in a child process, because a
worker for llama.cpp does not import torch either.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, EmbeddingRequest, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine, backend
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import run, text_of
from support.paths import SUPPORT

PROMPTS = [[1, 5, 9], [1, *range(20, 60)], [1, 300, 7, 7, 7, 80, 12], [1, *range(90, 70, -1)]]
LAYERS = 8


@pytest.fixture(scope="module", autouse=True)
def _cuda_build() -> None:
    if not backend.gpus(backend.list_devices()):
        pytest.skip("needs a CUDA build of llama-cpp-python")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 8 layers in F32, 60 MB."""
    folder = tmp_path_factory.mktemp("llama")
    script = SUPPORT / "random_model.py"
    subprocess.run([sys.executable, script, folder, f"--layers={LAYERS}"], check=True)
    return folder / "model.gguf"


def load(model: Path, *, kv_bytes: int = 0, **parameters: Any) -> LlamaCppEngine:
    values = {"num_parallel": 4, "num_ctx": 256, "kv_cache_type": "f32", **parameters}
    message = Load(
        "gguf",
        (str(model),),
        LoadParameters(**values),
        layers=LAYERS,
        kv_bytes=kv_bytes,
    )
    return LlamaCppEngine.load(message, lambda _value: None)


def complete(prompt: list[int]) -> CompletionRequest:
    return CompletionRequest(prompt, Sampling(temperature=0.0, max_tokens=16))


def test_all_layers_are_offloaded_by_default(model: Path) -> None:
    engine = load(model)
    assert engine.info.device.startswith("CUDA")
    assert engine.info.device_bytes >= model.stat().st_size * 0.9


@pytest.mark.parametrize("num_gpu", [-1, 3], ids=["all layers", "three layers"])
def test_parallel_requests_answer_as_on_the_cpu(model: Path, num_gpu: int) -> None:
    texts = []
    for layers in (0, num_gpu):
        engine = load(model, num_gpu=layers, flash_attention=False)
        texts.append([text_of(items) for items in run(engine, *map(complete, PROMPTS))])
    assert texts[0] == texts[1]


def test_num_gpu_0_uses_no_gpu_memory(model: Path) -> None:
    engine = load(model, num_gpu=0)
    assert engine.info.device == "cpu"
    assert engine.info.device_bytes == 0


def test_as_many_layers_as_fit_are_offloaded(model: Path) -> None:
    """With a KV cache that fills the GPU by itself, some layers stay on the CPU."""
    free = backend.free_gpu_bytes(backend.list_devices())
    whole = load(model)
    partly = load(model, kv_bytes=int(free * 1.5))
    assert 0 < partly.info.device_bytes < whole.info.device_bytes
    [items] = run(partly, complete(PROMPTS[1]))
    assert text_of(items)


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_quantized_caches_run_on_the_gpu(model: Path, kind: str) -> None:
    engine = load(model, kv_cache_type=kind, flash_attention=True)
    [items] = run(engine, complete(PROMPTS[1]))
    assert text_of(items)


def test_embeddings_run_on_the_gpu(model: Path) -> None:
    engine = load(model)
    [[item]] = run(engine, EmbeddingRequest(["one", "two words", "three more words"]))
    assert item.dimensions == 512


def test_unloading_frees_the_gpu(model: Path) -> None:
    def free() -> int:
        return backend.free_gpu_bytes(backend.list_devices())

    load(model)
    gc.collect()
    before = free()
    engines = [load(model) for _ in range(3)]
    assert free() < before
    del engines
    gc.collect()
    assert free() >= before - (16 << 20)
