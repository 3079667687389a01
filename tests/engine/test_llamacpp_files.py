"""The states of a llama.cpp model are saved, and fit to the next load with the same parameters."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from support import tiny_gguf
from support.engine_runs import finished, run
from support.prompts import only_file

MIB = 2**20


def load(path: Path, folder: Path, *, weights: str = "", **parameters: Any) -> LlamaCppEngine:
    settings = PromptCacheSettings(64 * MIB, str(folder), weights, 256 * MIB)
    request = Load("gguf", (str(path),), LoadParameters(**parameters), prompt_cache=settings)
    return LlamaCppEngine.load(request, lambda _value: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts" / "model"


def tokens(seed: int, count: int, most: int = 250) -> list[int]:
    rng = random.Random(seed)  # noqa: S311  # reproducible
    return [rng.randrange(100, most) for _ in range(count)]


def complete(prompt: list[int], **sampling: Any) -> CompletionRequest:
    settings = {"temperature": 0.0, "max_tokens": 6, "logprobs": 1} | sampling
    return CompletionRequest(prompt, Sampling(**settings))


def answer(engine: LlamaCppEngine, prompt: list[int], **sampling: Any) -> list[tuple[str, float]]:
    """Return the tokens of an answer with their log probabilities."""
    [items] = run(engine, complete(prompt, **sampling))
    logprobs = [entry for item in items for entry in getattr(item, "logprobs", None) or ()]
    return [(entry.token, entry.logprob) for entry in logprobs]


def cached(engine: LlamaCppEngine, prompt: list[int], **sampling: Any) -> int:
    [items] = run(engine, complete(prompt, **sampling))
    return finished(items).cached_tokens


def test_the_next_load_gives_the_same_numbers_with_a_seed(smollm2_path: Path, folder: Path) -> None:
    first = load(smollm2_path, folder, num_ctx=1024)
    prompt = tokens(1, 400, 40_000)
    expected = answer(first, prompt, seed=1, temperature=1.0)
    answer(first, tokens(2, 100, 40_000))
    first.save(math.inf)
    second = load(smollm2_path, folder, num_ctx=1024)
    assert answer(second, prompt, seed=1, temperature=1.0) == expected
    assert cached(second, prompt, seed=1) == 384


@pytest.mark.parametrize("write", [tiny_gguf.mamba, tiny_gguf.falcon_h1, tiny_gguf.gemma3])
def test_the_next_load_goes_on_from_a_state_of_any_kind(
    tmp_path: Path, folder: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / "model.gguf")
    first = load(path, folder, num_ctx=512)
    prompt = tokens(1, 120)
    answer(first, prompt)
    longer = [*prompt[:-2], *tokens(2, 40)]  # another end of the prompt
    expected = answer(first, longer)
    first.reset()
    answer(first, prompt)
    first.save(math.inf)
    second = load(path, folder, num_ctx=512)
    assert cached(second, longer, max_tokens=1) >= 100  # from a checkpoint
    second.save(math.inf)
    third = load(path, folder, num_ctx=512)
    assert [token for token, _ in answer(third, longer)] == [token for token, _ in expected]


def test_states_fit_to_the_same_parameters_only(smollm2_path: Path, folder: Path) -> None:
    prompt = tokens(1, 300, 40_000)
    first = load(smollm2_path, folder, num_ctx=512)
    answer(first, prompt)
    first.save(math.inf)
    for parameters in (
        {"num_ctx": 1024},
        {"num_ctx": 512, "kv_cache_type": "f32"},
        {"num_ctx": 512, "flash_attention": False},
        {"num_ctx": 512, "weights": "converted again"},
    ):
        assert cached(load(smollm2_path, folder, **parameters), prompt) == 0, parameters
    template = {"num_ctx": 512, "chat_template": "{{ messages }}", "use_mmap": False}
    assert cached(load(smollm2_path, folder, **template), prompt) == 299


def test_requests_in_progress_are_saved(smollm2_path: Path, folder: Path) -> None:
    first = load(smollm2_path, folder, num_ctx=1024)
    prompts = [tokens(seed, 200, 40_000) for seed in (1, 2)]
    for id_, prompt in enumerate(prompts):
        first.submit(first.prepare(id_, complete(prompt, max_tokens=50)))
    for _ in range(5):
        first.step()
    first.save(math.inf)
    second = load(smollm2_path, folder, num_ctx=1024)
    assert [cached(second, prompt) for prompt in prompts] == [199, 199]


def test_nothing_is_written_without_time(smollm2_path: Path, folder: Path) -> None:
    engine = load(smollm2_path, folder, num_ctx=512)
    answer(engine, tokens(1, 100, 40_000))
    engine.save(time.monotonic() - 1)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_state_that_llamacpp_refuses_is_removed(smollm2_path: Path, folder: Path) -> None:
    prompt = tokens(1, 100, 40_000)
    first = load(smollm2_path, folder, num_ctx=512)
    expected = answer(first, prompt)
    memory = first._text.memory  # type: ignore[union-attr]
    memory.keep_idle()
    [entry] = memory.cache
    entry.state = entry.state[:-8]  # type: ignore[index]
    first.save(math.inf)
    assert only_file(folder).exists()
    second = load(smollm2_path, folder, num_ctx=512)
    assert answer(second, prompt) == expected
    assert [path for path in folder.rglob("*") if path.is_file()] == []
