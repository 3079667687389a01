"""Test the number of threads that torch computes with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.engine.threads import CpuThreads
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import load_directory
from support.tiny_models import byte_level, make


class ChangingThreads(CpuThreads):
    """Returns another number for each step."""

    def __init__(self) -> None:
        super().__init__(8)
        self.counts = [3, 2, 1, 2]

    def next_count(self) -> int:
        return self.counts.pop(0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"))


def load(directory: Path, **parameters: int) -> TransformersEngine:
    return load_directory(TransformersEngine, directory, isq="none", **parameters)


def used(engine: TransformersEngine, **sampling: int) -> list[int]:
    """Return the threads of the first four steps of a request."""
    engine.submit(engine.prepare(1, CompletionRequest([1, 5, 9], Sampling(**sampling))))
    counts = []
    for _ in range(4):
        engine.step()
        counts.append(torch.get_num_threads())
    engine.cancel(1)
    return counts


def test_each_step_uses_the_number_that_is_free(directory: Path) -> None:
    engine = load(directory)
    engine._model.threads = ChangingThreads()
    assert used(engine, max_tokens=20) == [3, 2, 1, 2]


def test_requests_with_a_seed_always_use_the_same_number(directory: Path) -> None:
    engine = load(directory)
    engine._model.threads = ChangingThreads()
    assert used(engine, max_tokens=20, seed=1) == [4, 4, 4, 4]


def test_the_users_number_of_threads_is_used(directory: Path) -> None:
    engine = load(directory, num_thread=3)
    assert used(engine, max_tokens=20) == [3, 3, 3, 3]
    assert used(engine, max_tokens=20, seed=1) == [3, 3, 3, 3]
