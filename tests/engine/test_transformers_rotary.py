"""Test models with rotary frequencies that depend on the length of the context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from a3s_power_jupyter.contract.types import CompletionRequest, Delta, Sampling
from a3s_power_jupyter.engine.protocol import PromptCacheSettings
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import finished, load_directory, run
from support.tiny_models import byte_level, make

#: Tokens that the models were trained for at first.
TRAINED = 64
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0],
    "original_max_position_embeddings": TRAINED,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "longrope": (
        "Phi3Config",
        {
            "rope_parameters": LONGROPE,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": TRAINED,
        },
    ),
    "dynamic": (
        "LlamaConfig",
        {
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
            "max_position_embeddings": TRAINED,
        },
    ),
}
SHORT, LONG = [1, *range(20, 50)], [1, *(i % 380 + 3 for i in range(199))]


@pytest.fixture(scope="module", params=FAMILIES)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, settings = FAMILIES[request.param]
    return make(tmp_path_factory.mktemp("rotary") / "m", config, byte_level("gpt-2"), **settings)


def load(directory: Path, num_ctx: int) -> TransformersEngine:
    cache = PromptCacheSettings(memory_bytes=2**26)
    settings = {"num_thread": 1, "isq": "none", "num_ctx": num_ctx}
    return load_directory(TransformersEngine, directory, prompt_cache=cache, **settings)


def complete(prompt: list[int]) -> CompletionRequest:
    sampling = Sampling(temperature=0.0, max_tokens=8, logprobs=0, logit_bias={2: -1000.0})
    return CompletionRequest(prompt, sampling)


def logprobs(items: list[Any]) -> list[float]:
    rows = [row for item in items if isinstance(item, Delta) for row in item.logprobs or []]
    return [row.logprob for row in rows]


def test_a_long_request_changes_no_short_one(directory: Path) -> None:
    """Neither beside it nor from its cache."""
    [alone] = run(load(directory, 256), complete(SHORT))
    engine = load(directory, 256)
    beside, _ = run(engine, complete(SHORT), complete(LONG))
    assert logprobs(beside) == pytest.approx(logprobs(alone), abs=1e-4)
    [first] = run(load(directory, 256), complete(LONG[:40]))
    [warm] = run(engine, complete(LONG[:40]))
    assert finished(warm).cached_tokens > 30
    assert logprobs(warm) == pytest.approx(logprobs(first), abs=1e-4)


@pytest.mark.parametrize(("num_ctx", "prompt"), [(TRAINED, SHORT), (201, LONG)])
def test_the_frequencies_are_those_of_the_whole_context(
    directory: Path, num_ctx: int, prompt: list[int]
) -> None:
    """transformers chooses the same ones for a prompt that fills the context."""
    if num_ctx == TRAINED:
        prompt = prompt[: TRAINED - 1]
    [items] = run(load(directory, num_ctx), complete(prompt))
    model = transformers.AutoModelForCausalLM.from_pretrained(directory)
    filler = torch.zeros((1, num_ctx - len(prompt)), dtype=torch.long)
    logits = model(torch.cat([torch.tensor([prompt]), filler], 1)).logits[0, len(prompt) - 1]
    logits[2] -= 1000.0
    expected = torch.log_softmax(logits.detach(), -1).max()
    assert logprobs(items)[0] == pytest.approx(float(expected), abs=1e-3)
