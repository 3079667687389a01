"""A chain must choose the same tokens from its candidates as from the whole vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.candidates import Candidates, sample
from a3s_power_jupyter.engine.llamacpp.chain import new_chain
from a3s_power_jupyter.engine.llamacpp.vocabulary import Vocabulary
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.sampling import SamplerSettings

NUM_CTX = 512

#: Tokens that are sampled one after the other.
STEPS = 60


@pytest.fixture(scope="module")
def vocab(smollm2_path: Path) -> Vocabulary:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=NUM_CTX))
    return LlamaCppEngine.load(load, lambda _value: None)._vocab


SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 2.0, "top_p": 1.0, "min_p": 0.0},
    {"temperature": 2.0, "top_k": 1},
    {"temperature": 2.0, "top_k": 150, "top_p": 1.0, "min_p": 0.0},
    {"typical_p": 0.6},
    {"xtc_probability": 0.5, "xtc_threshold": 0.08},
    {"xtc_probability": 1.0, "xtc_threshold": 0.08, "temperature": 0.0},
    {"dynatemp_range": 0.5, "temperature": 1.0},
    {"repeat_penalty": 1.3},
    {"repeat_penalty": 1.3, "temperature": 0.0, "repeat_last_n": 30},
    {"frequency_penalty": 2.0, "presence_penalty": 2.0, "repeat_last_n": 200, "top_p": 1.0},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1},
    {"dry_multiplier": 2.0, "repeat_penalty": 1.1, "temperature": 0.0},
    {"logit_bias": {7: 100.0}},
    {"logit_bias": {7: 9.0, 8: -9.0, 9: float("-inf")}, "temperature": 1.5},
    {"logit_bias": dict.fromkeys(range(100, 200), -100.0), "temperature": 0.0},
    {"ignore_eos": True},
]


def choices(
    vocab: Vocabulary, given: dict[str, Any], kind: str, *, limited: bool, banned: tuple[int, ...]
) -> list[int]:
    """Sample tokens from random logits, and return them."""
    sampling = Sampling(**{"seed": 3, **given})
    settings = SamplerSettings.of(sampling, NUM_CTX)
    chain = new_chain(sampling, settings, vocab, banned)
    candidates = Candidates.of(sampling, settings, vocab, len(banned))
    assert candidates is not None
    random = np.random.default_rng(11)
    whole = np.arange(vocab.size)
    chosen: list[int] = []
    for _ in range(STEPS):
        logits = logits_of(kind, random, vocab.size, chosen)
        tokens = candidates.find(logits) if limited else whole
        assert not limited or 0 < len(tokens) < vocab.size / 10
        chosen.append(sample(chain, logits, tokens))
    lc.llama_sampler_free(chain)
    return chosen


def logits_of(kind: str, random: np.random.Generator, size: int, chosen: list[int]) -> Any:
    """Return logits as of a model that repeats itself, a sure one, or one with a constraint."""
    logits = random.normal(0, 3, size).astype(np.float32)
    if kind == "repeating":
        logits[100:200] += 10
        logits[chosen[-50:]] += 12
    elif kind == "sure":
        logits[random.integers(size)] = 60.0
    elif kind == "constrained":
        allowed = random.choice(size, 30, replace=False)
        logits[np.setdiff1d(np.arange(size), allowed)] = -np.inf
    return logits


@pytest.mark.parametrize("kind", ["flat", "repeating", "sure", "constrained"])
@pytest.mark.parametrize("given", SETTINGS, ids=lambda given: str(given)[:60])
def test_the_candidates_lead_to_the_same_tokens(
    vocab: Vocabulary, given: dict[str, Any], kind: str
) -> None:
    banned = tuple(vocab.eog_tokens)
    expected = choices(vocab, given, kind, limited=False, banned=banned)
    assert choices(vocab, given, kind, limited=True, banned=banned) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"top_k": 0},
        {"top_k": 10_000},
        {"top_n_sigma": 1.0},
        {"mirostat": 1},
        {"mirostat": 2},
        {"repeat_penalty": 0.9},
        {"presence_penalty": -0.5},
        {"repeat_penalty": 1.1, "frequency_penalty": -0.5},
        {"repeat_penalty": 1.1, "repeat_last_n": -1},
        {"logit_bias": dict.fromkeys(range(1_000), 1.0)},
    ],
    ids=lambda given: str(given)[:60],
)
def test_some_samplers_need_the_whole_vocabulary(vocab: Vocabulary, given: dict[str, Any]) -> None:
    sampling = Sampling(**given)
    settings = SamplerSettings.of(sampling, NUM_CTX)
    assert Candidates.of(sampling, settings, vocab, 0) is None
