"""Test sampling in the llama.cpp engine with a real small model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Constraint, Delta, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import chat, finished, run, text_of

QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=1024))
    return LlamaCppEngine.load(load, lambda _value: None)


def test_a_seed_gives_the_same_answer_regardless_of_the_cache(engine: LlamaCppEngine) -> None:
    request = chat("Tell me a story.", seed=42, temperature=1.0, max_tokens=30)
    first, second = (run(engine, request)[0] for _ in range(2))
    other = run(engine, chat("Tell me a story.", seed=43, temperature=1.0, max_tokens=30))[0]
    assert text_of(first) == text_of(second)
    assert text_of(first) != text_of(other)
    assert finished(second).cached_tokens == 0


def test_logprobs_are_those_of_the_model(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat(QUESTION, logprobs=3, max_tokens=5))
    tokens = [t for item in items if isinstance(item, Delta) for t in item.logprobs or []]
    assert len(tokens) == 5
    assert "".join(t.token for t in tokens) == text_of(items)
    for token in tokens:
        assert len(token.top) == 3
        assert token.top[0][2] == token.logprob  # greedy sampling picks the most likely token
        assert sum(math.exp(p) for _, _, p in token.top) <= 1.0001


def test_logit_bias_can_forbid_a_token(engine: LlamaCppEngine) -> None:
    whole = text_of(run(engine, chat(QUESTION))[0])
    (paris,) = engine._vocab.tokenize(" Paris", add_special=False)
    assert " Paris" in whole
    assert " Paris" not in text_of(run(engine, chat(QUESTION, logit_bias={paris: -100.0}))[0])


def test_a_json_schema_holds_at_any_temperature(engine: LlamaCppEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    for seed in range(3):
        request = chat(
            "Describe a person.",
            constraint=Constraint("json_schema", schema),
            temperature=1.5,
            seed=seed,
            max_tokens=200,
        )
        (items,) = run(engine, request)
        person = json.loads(text_of(items))
        assert isinstance(person["name"], str)
        assert isinstance(person["age"], int)


def test_strings_of_a_schema_have_no_raw_control_characters(engine: LlamaCppEngine) -> None:
    # JSON requires "\\n" for a line break, but this model prefers a raw one.
    schema = {"type": "object", "properties": {"poem": {"type": "string", "maxLength": 60}}}
    prompt = "Write a poem of three short lines, each line on a line of its own."
    for seed in range(3):
        constraint = Constraint("json_schema", schema)
        sampling = Sampling(temperature=1.2, seed=seed, max_tokens=120, constraint=constraint)
        (items,) = run(engine, ChatRequest([{"role": "user", "content": prompt}], sampling))
        assert isinstance(json.loads(text_of(items)), dict)


@pytest.mark.parametrize("temperature", [1e-46, 1e-38, 1e-30, 1e-6])
def test_a_tiny_temperature_is_greedy(engine: LlamaCppEngine, temperature: float) -> None:
    [greedy] = run(engine, chat("Say hello.", max_tokens=12))
    [tiny] = run(engine, chat("Say hello.", max_tokens=12, temperature=temperature, seed=3))
    assert text_of(tiny) == text_of(greedy)
