"""Test the llama.cpp engine on a GPU, stepped in this process.

The references are the same models on the CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, EmbeddingRequest, Sampling
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine, backend
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import run, text_of
from support.tiny_models import byte_level, make

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
    directory = make(
        folder / "model",
        "LlamaConfig",
        byte_level("gpt-2"),
        hidden_size=512,
        intermediate_size=768,
        num_hidden_layers=LAYERS,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    convert(directory, folder / "model.gguf", lambda _value: None)
    return folder / "model.gguf"


def load(model: Path, *, gpu_layers: int | None = None, **parameters: Any) -> LlamaCppEngine:
    values = {"num_parallel": 4, "num_ctx": 256, "kv_cache_type": "f32", **parameters}
    message = Load(
        "gguf",
        (str(model),),
        LoadParameters(**values),
        gpu_layers=gpu_layers,
        layers=LAYERS,
        kv_bytes=4 * 256 * LAYERS * 4 * (64 + 64) * 4,
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
    """With little free memory on the GPU, the model is loaded and answers all the same."""
    leave = backend_reserve() + model.stat().st_size // 2
    free, _total = torch.cuda.mem_get_info()
    filler = torch.empty(max(0, free - leave), dtype=torch.uint8, device="cuda")
    try:
        engine = load(model)
        [items] = run(engine, complete(PROMPTS[1]))
        assert text_of(items)
    finally:
        del filler
        torch.cuda.empty_cache()


def backend_reserve() -> int:
    from a3s_power_jupyter.engine.llamacpp.model import GPU_RESERVE_BYTES

    return int(GPU_RESERVE_BYTES)


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
        return int(torch.cuda.mem_get_info()[0])

    load(model)
    before = free()
    engines = [load(model) for _ in range(3)]
    assert free() < before
    del engines
    assert free() >= before - (16 << 20)
