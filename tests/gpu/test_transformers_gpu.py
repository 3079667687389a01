"""Test the transformers and embedding engines on a GPU, stepped in this process.

The references are the same models on the CPU, in float32.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a3s_power_jupyter.contract.errors import ModelLoadFailed, PowerError
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, EmbeddingRequest, Finished, Sampling
from a3s_power_jupyter.engine.embeddings import EmbeddingEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import load_directory, run, text_of
from support.tiny_models import byte_level, make

PROMPTS = [[1, 5, 9], [1, *range(20, 60)], [1, 300, 7, 7, 7, 80, 12], [1, *range(90, 70, -1)]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"))


@pytest.fixture(scope="module")
def on_gpu(directory: Path) -> TransformersEngine:
    return load(directory)


@pytest.fixture(scope="module")
def on_cpu(directory: Path) -> TransformersEngine:
    return load(directory, num_gpu=0)


def load(directory: Path, **parameters: Any) -> TransformersEngine:
    return load_directory(TransformersEngine, directory, **{"isq": "none", **parameters})


def complete(prompt: list[int], **sampling: Any) -> CompletionRequest:
    return CompletionRequest(prompt, Sampling(**{"temperature": 0.0, "max_tokens": 16, **sampling}))


def test_the_model_is_loaded_on_the_gpu(on_gpu: TransformersEngine) -> None:
    assert on_gpu.info.device == "cuda:0"
    assert on_gpu.info.device_bytes > 0


def test_parallel_requests_answer_as_on_the_cpu(
    on_gpu: TransformersEngine, on_cpu: TransformersEngine
) -> None:
    requests = [complete(prompt) for prompt in PROMPTS]
    assert [text_of(items) for items in run(on_gpu, *requests)] == [
        text_of(items) for items in run(on_cpu, *requests)
    ]


@pytest.mark.parametrize("isq", ["Q4K", "Q8_0", "HQQ4", "HQQ8"])
def test_isq_runs_on_the_gpu(directory: Path, isq: str) -> None:
    engine = load(directory, isq=isq)
    assert engine.info.device == "cuda:0"
    [items] = run(engine, complete(PROMPTS[1]))
    assert isinstance(items[-1], Finished)


@pytest.mark.parametrize("token", [10**6, -1, 408])
def test_a_token_beyond_the_embedding_leaves_the_gpu_usable(
    on_gpu: TransformersEngine, token: int
) -> None:
    """A lookup beyond the embedding is an assertion on the GPU that ends the whole process."""
    before = [text_of(items) for items in run(on_gpu, complete(PROMPTS[0]))]
    with pytest.raises(PowerError):
        on_gpu.prepare(1, complete([1, token]))
    assert [text_of(items) for items in run(on_gpu, complete(PROMPTS[0]))] == before


def test_a_sampled_answer_is_reproducible(on_gpu: TransformersEngine) -> None:
    request = complete(PROMPTS[1], temperature=1.0, seed=7)
    assert text_of(run(on_gpu, request)[0]) == text_of(run(on_gpu, request)[0])


def test_the_memory_of_finished_requests_is_freed(on_gpu: TransformersEngine) -> None:
    run(on_gpu, *map(complete, PROMPTS))
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for _ in range(5):
        run(on_gpu, *map(complete, PROMPTS))
    assert torch.cuda.memory_allocated() <= before


def test_a_model_that_does_not_fit_is_refused(directory: Path) -> None:
    """Let this process use no more GPU memory than it uses already, and fill that."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved() / total)
    filler = []
    try:
        for size in (1 << 20, 1 << 14, 512):
            with suppress(torch.OutOfMemoryError):
                while True:
                    filler.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        with pytest.raises(ModelLoadFailed, match="memory"):
            load(directory)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        filler.clear()
        torch.cuda.empty_cache()


def test_embeddings_are_those_of_the_cpu(directory: Path) -> None:
    names = sorted(path.name for path in directory.iterdir())
    texts = [f"Sentence number {i} " * (i % 13 + 1) for i in range(40)]
    matrices = []
    for num_gpu in (0, -1):
        load = Load(
            "huggingface",
            tuple(str(directory / name) for name in names),
            LoadParameters(num_gpu=num_gpu),
            names=tuple(names),
        )
        engine = EmbeddingEngine.load(load, lambda _value: None)
        assert engine.info.device == ("cpu" if num_gpu == 0 else "cuda:0")
        [[item]] = run(engine, EmbeddingRequest([*texts]))
        matrices.append(np.frombuffer(item.vectors, "<f4"))
    assert np.abs(matrices[0] - matrices[1]).max() < 1e-3
