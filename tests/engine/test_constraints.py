"""Answers to constrained requests, on real models and at a high temperature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Constraint, Sampling
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.answer_schemas import ANSWER_SCHEMAS
from support.engine_runs import finished, load_directory, run, text_of
from support.tiny_models import byte_level, make

TIMES = 5

#: Schemas that a small model may not finish within the tokens of a test.
ENDLESS = {
    "anything", "no keyword", "a title only", "a property of any kind", "a list without items",
    "a recursive root", "a recursive definition", "a length of 2,000", "a length of a million",
    "an unanchored pattern", "a link", "an address",
}  # fmt: skip

Answers = dict[str, list[tuple[str, str]]]


def load(path: Path) -> LlamaCppEngine:
    parameters = LoadParameters(num_parallel=8, num_ctx=256)
    return LlamaCppEngine.load(Load("gguf", (str(path),), parameters), lambda _value: None)


def request(name: str, seed: int, **sampling: Any) -> ChatRequest:
    constraint = Constraint("json_schema", ANSWER_SCHEMAS[name])
    content = f"Give an example of {name} as short JSON."
    values = {"temperature": 1.0, "max_tokens": 48, "seed": seed, "constraint": constraint}
    return ChatRequest([{"role": "user", "content": content}], Sampling(**{**values, **sampling}))


def answers(engine: Engine[Any], times: int) -> Answers:
    """Return texts and finish reasons of all schemas, generated in full batches."""
    requests = [(name, seed) for name in ANSWER_SCHEMAS for seed in range(times)]
    found: Answers = {name: [] for name in ANSWER_SCHEMAS}
    replies = run(engine, *(request(name, seed) for name, seed in requests))
    for (name, _seed), items in zip(requests, replies, strict=True):
        found[name].append((text_of(items), finished(items).finish_reason))
    return found


@pytest.fixture(scope="module")
def smollm2(smollm2_path: Path) -> LlamaCppEngine:
    return load(smollm2_path)


@pytest.fixture(scope="module")
def smollm2_answers(smollm2: LlamaCppEngine) -> Answers:
    return answers(smollm2, TIMES)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    folder = make(
        tmp_path_factory.mktemp("tiny"), "LlamaConfig", byte_level("gpt-2"),
        max_position_embeddings=512,
    )  # fmt: skip
    return load_directory(TransformersEngine, folder, isq="none")


@pytest.fixture(scope="module")
def tiny_answers(tiny: TransformersEngine) -> Answers:
    return answers(tiny, TIMES)


def check(name: str, found: list[tuple[str, str]]) -> int:
    """Validate the answers that are complete, and return their number."""
    validator = Draft202012Validator(
        ANSWER_SCHEMAS[name], format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    complete = [text for text, reason in found if reason == "stop"]
    for text in complete:
        validator.validate(json.loads(text))
    return len(complete)


@pytest.mark.parametrize("name", ANSWER_SCHEMAS)
def test_answers_of_a_small_model_are_valid(smollm2_answers: Answers, name: str) -> None:
    complete = check(name, smollm2_answers[name])
    assert complete or name in ENDLESS


@pytest.mark.parametrize("name", ANSWER_SCHEMAS)
def test_answers_of_a_random_model_are_valid(tiny_answers: Answers, name: str) -> None:
    check(name, tiny_answers[name])


def test_a_constraint_holds_with_biases_penalties_and_log_probabilities(
    smollm2: LlamaCppEngine,
) -> None:
    name = "keywords in another order"
    brace = {90: 100.0, 2: 100.0, 198: 100.0}  # "z", the end, a line break
    sampling = {"logit_bias": brace, "repeat_penalty": 1.8, "logprobs": 3, "presence_penalty": 1.5}
    for seed in range(3):
        [items] = run(smollm2, request(name, seed, **sampling))
        assert check(name, [(text_of(items), finished(items).finish_reason)]) == 1
        logprobs = [entry for item in items for entry in getattr(item, "logprobs", None) or ()]
        assert len(logprobs) == finished(items).completion_tokens
        assert all(len(entry.top) == 3 for entry in logprobs)


def test_the_same_seed_gives_the_same_constrained_answer(smollm2: LlamaCppEngine) -> None:
    texts = {text_of(run(smollm2, request("a tagged union", 7))[0]) for _ in range(2)}
    assert len(texts) == 1


def test_a_cut_answer_says_so(smollm2: LlamaCppEngine) -> None:
    [items] = run(smollm2, request("an id", 1, max_tokens=4))
    assert finished(items).finish_reason == "length"
    [items] = run(smollm2, request("an id", 1, stop=("-",)))
    assert finished(items).finish_reason == "stop"
    assert "-" not in text_of(items)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (Constraint("choice", ["spam", "ham"]), {"spam", "ham"}),
        (Constraint("regex", "(yes|no)!"), {"yes!", "no!"}),
        (Constraint("gbnf", 'root ::= ("a" | "b") root | "."'), None),
        (Constraint("lark", 'start: ("a" | "b") "."'), {"a.", "b."}),
    ],
)
@pytest.mark.parametrize("engine", ["smollm2", "tiny"])
def test_other_constraints(
    request: pytest.FixtureRequest, engine: str, constraint: Constraint, expected: set[str] | None
) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=40, constraint=constraint)
    [items] = run(request.getfixturevalue(engine), CompletionRequest([1, 5, 9], sampling))
    text = text_of(items)
    if expected is not None:
        assert text in expected
    else:
        assert set(text) <= {"a", "b", "."}
