"""Test the llama.cpp engine with a real small model, stepped in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Constraint,
    Delta,
    Embedded,
    EmbeddingRequest,
    Request,
    Sampling,
    Started,
)
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import chat, finished, run, text_of

QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_parallel=3, num_ctx=1024))
    return LlamaCppEngine.load(load, lambda _value: None)


# ---------------------------------------------------------------- generation


def test_a_chat_uses_the_models_own_template(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat(QUESTION))
    assert "Paris" in text_of(items)
    assert isinstance(items[0], Started)
    assert finished(items).finish_reason == "stop"
    assert finished(items).completion_tokens >= 5


def test_parallel_requests_get_their_own_answers(engine: LlamaCppEngine) -> None:
    """Batches round differently, so the texts may differ from those of single requests."""
    colors = chat("Name three colors.", seed=1, max_tokens=20)
    first, second, third = map(text_of, run(engine, chat(QUESTION, seed=1), colors, chat("Hi!")))
    assert "Paris" in first
    assert "red" in second.lower()
    assert "Paris" not in third


def test_max_tokens_is_counted_in_tokens(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat("Count to one hundred.", max_tokens=7))
    assert finished(items).completion_tokens == 7
    assert finished(items).finish_reason == "length"


def test_an_answer_ends_at_the_end_of_the_context(engine: LlamaCppEngine) -> None:
    prompt = [5000] * 1000
    (items,) = run(engine, CompletionRequest(prompt, Sampling(temperature=0.0)))
    assert finished(items).finish_reason in ("length", "stop")
    assert finished(items).prompt_tokens + finished(items).completion_tokens <= 1024


def test_a_repeated_prompt_is_cached(engine: LlamaCppEngine) -> None:
    first = run(engine, chat("Remember the word apple. " + QUESTION))[0]
    second = run(engine, chat("Remember the word apple. " + QUESTION))[0]
    assert finished(second).cached_tokens == finished(second).prompt_tokens - 1
    assert text_of(first) == text_of(second)


def test_a_completion_continues_the_prompt_and_echoes_it(engine: LlamaCppEngine) -> None:
    request = CompletionRequest("Once upon a", Sampling(temperature=0.0, max_tokens=3), echo=True)
    (items,) = run(engine, request)
    assert text_of(items).startswith("Once upon a time")


def test_a_stop_string_of_several_tokens_is_cut_off(engine: LlamaCppEngine) -> None:
    whole = text_of(run(engine, chat(QUESTION))[0])
    stop = whole[-12:-4]
    (items,) = run(engine, chat(QUESTION, stop=(stop,)))
    assert text_of(items) == whole[: whole.index(stop)]
    assert finished(items).finish_reason == "stop"


def test_characters_of_several_tokens_are_never_split(engine: LlamaCppEngine) -> None:
    (items,) = run(
        engine, CompletionRequest("🐶 🐱 🐶 🐱 🐶 🐱", Sampling(temperature=0.0, max_tokens=24))
    )
    deltas = [item.text for item in items[:-1] if isinstance(item, Delta)]
    assert any(ord(c) > 0xFFFF for c in "".join(deltas))
    assert all("\ufffd" not in delta for delta in deltas[:-1])


def test_a_cancelled_request_ends_before_the_next_step(engine: LlamaCppEngine) -> None:
    engine.submit(engine.prepare(1, chat("Count to one hundred.", max_tokens=500)))
    for _ in range(3):
        engine.step()
    engine.cancel(1)
    assert engine.idle
    assert engine.step() == []


# ---------------------------------------------------------------- templates


def test_a_template_from_the_load_parameters_is_used(smollm2_path: Path) -> None:
    parameters = LoadParameters(num_ctx=256, chat_template="{{ messages[0]['content'] }}")
    engine = LlamaCppEngine.load(Load("gguf", (str(smollm2_path),), parameters), lambda _v: None)
    (items,) = run(engine, chat("Once upon a", max_tokens=2))
    assert finished(items).prompt_tokens == 3
    engine._template = None
    with pytest.raises(UnsupportedRequestFields, match="chat_template"):
        engine.prepare(1, chat("hello"))


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (CompletionRequest([5000] * 1024), ContextLengthExceeded, "1024 tokens"),
        (CompletionRequest([10**6]), InvalidParameter, "vocabulary"),
        (CompletionRequest([]), InvalidParameter, "empty"),
        (chat("x", logit_bias={-1: 1.0}), InvalidParameter, "vocabulary"),
        (
            chat("x", constraint=Constraint("json_schema", {"type": "nonsense"})),
            InvalidParameter,
            "schema",
        ),
        (EmbeddingRequest([]), InvalidParameter, "empty"),
        (EmbeddingRequest(["word " * 2000]), ContextLengthExceeded, "2,001|2,000"),
    ],
)
def test_an_invalid_request_is_refused_and_takes_no_slot(
    engine: LlamaCppEngine, request_: Request, error: type[PowerError], message: str
) -> None:
    with pytest.raises(error, match=message):
        engine.prepare(1, request_)
    assert engine.idle


def test_a_truncated_model_does_not_load(smollm2_path: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.gguf"
    with smollm2_path.open("rb") as whole:
        truncated.write_bytes(whole.read(5_000_000))
    with pytest.raises(ModelLoadFailed, match=r"llama\.cpp could not load"):
        LlamaCppEngine.load(Load("gguf", (str(truncated),), LoadParameters()), lambda _v: None)


# ---------------------------------------------------------------- embeddings


def test_embeddings_are_normalized_and_reflect_meaning(engine: LlamaCppEngine) -> None:
    texts = ["a dog", "a puppy", "quantum physics", *[f"text {i}" for i in range(40)]]
    (items,) = run(engine, EmbeddingRequest(list(texts)))
    (embedded,) = items
    assert isinstance(embedded, Embedded)
    vectors = np.frombuffer(embedded.vectors, "<f4").reshape(len(texts), embedded.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    (one,) = run(engine, EmbeddingRequest(["text 7"]))[0]
    assert isinstance(one, Embedded)
    np.testing.assert_allclose(np.frombuffer(one.vectors, "<f4"), vectors[10], atol=2e-2)


def test_a_failed_embedding_context_only_fails_its_request(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = engine._model.new_context

    def new_context(**overrides: Any) -> Any:
        if overrides["n_ctx"] >= 1024:
            raise ModelLoadFailed("out of memory")
        return create(**overrides)

    short = EmbeddingRequest([f"text {i}" for i in range(40)])
    engine.submit(engine.prepare(1, short))
    engine.step()  # embeds the first 16 texts
    monkeypatch.setattr(engine._model, "new_context", new_context)
    engine.submit(engine.prepare(2, EmbeddingRequest(["word " * 900])))  # needs a larger context
    outputs = {}
    while not engine.idle:
        outputs.update(engine.step())
    assert isinstance(outputs[1], Embedded)
    assert isinstance(outputs[2], ModelLoadFailed)
    monkeypatch.undo()
    (items,) = run(engine, short)
    assert isinstance(items[0], Embedded)


@pytest.mark.parametrize("embeds", [False, True])
def test_a_long_batch_sends_heartbeats(
    engine: LlamaCppEngine, heartbeats: list[float], embeds: bool
) -> None:
    text = "word " * 200
    request = EmbeddingRequest([text]) if embeds else chat(text, max_tokens=1)
    engine.submit(engine.prepare(1, request))
    engine.step()
    assert len(heartbeats) > 100
    engine.cancel(1)
