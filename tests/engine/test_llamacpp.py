"""The llama.cpp engine with the real small model, stepped in this process."""

from __future__ import annotations

import json
import math
from pathlib import Path

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
    ChatRequest,
    CompletionRequest,
    Delta,
    Embedded,
    EmbeddingRequest,
    Finished,
    Request,
    Sampling,
    Started,
)
from a3s_power_jupyter.engine.base import StepOutput
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.devices import idle_gpu_hint
from a3s_power_jupyter.engine.llamacpp.model import layers_that_fit
from a3s_power_jupyter.engine.llamacpp.slot import Slot
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.template import ChatTemplate
from a3s_power_jupyter.engine.text import TextStream

QUESTION = "What is the capital city of France? Answer in one short English sentence."
GREEDY = Sampling(temperature=0.0)


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_parallel=3, num_ctx=1024))
    return LlamaCppEngine.load(load, lambda _value: None)


def run(engine: LlamaCppEngine, *requests: Request) -> list[list[object]]:
    """All items of each request."""
    for id_, request in enumerate(requests):
        engine.submit(id_, request)
    outputs: list[StepOutput] = []
    while not engine.idle:
        outputs += engine.step()
    return [[item for at, item in outputs if at == id_] for id_ in range(len(requests))]


def text(items: list[object]) -> str:
    return "".join(item.text for item in items if isinstance(item, Delta))


def end(items: list[object]) -> Finished:
    assert isinstance(items[-1], Finished)
    return items[-1]


def chat(content: str, **sampling: object) -> ChatRequest:
    return ChatRequest(
        [{"role": "user", "content": content}],
        Sampling(**{"temperature": 0.0, **sampling}),  # type: ignore[arg-type]
    )


# ---------------------------------------------------------------- generation


def test_it_answers_with_the_models_own_template(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat(QUESTION))
    assert "Paris" in text(items)
    assert isinstance(items[0], Started)
    assert end(items).finish_reason == "stop"
    assert end(items).completion_tokens >= 5


def test_requests_side_by_side_get_what_each_gets_alone(engine: LlamaCppEngine) -> None:
    prompts = [chat(QUESTION, seed=1), chat("Name three colors.", seed=1, max_tokens=20)]
    alone = [text(run(engine, prompt)[0]) for prompt in prompts]
    together = [text(items) for items in run(engine, *prompts)]
    assert together == alone


def test_max_tokens_is_counted_in_tokens(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat("Count to one hundred.", max_tokens=7))
    assert end(items).completion_tokens == 7
    assert end(items).finish_reason == "length"


def test_the_end_of_the_context_ends_the_answer(engine: LlamaCppEngine) -> None:
    prompt = [5000] * 1000
    (items,) = run(engine, CompletionRequest(prompt, Sampling(temperature=0.0)))
    assert end(items).finish_reason in ("length", "stop")
    assert end(items).prompt_tokens + end(items).completion_tokens <= 1024


def test_a_second_prompt_with_the_same_beginning_is_not_computed_again(
    engine: LlamaCppEngine,
) -> None:
    first = run(engine, chat("Remember the word apple. " + QUESTION))[0]
    second = run(engine, chat("Remember the word apple. " + QUESTION))[0]
    assert end(second).cached_tokens == end(second).prompt_tokens - 1
    assert text(first) == text(second)


def test_the_same_seed_gives_the_same_answer_whatever_is_cached(engine: LlamaCppEngine) -> None:
    request = chat("Tell me a story.", seed=42, temperature=1.0, max_tokens=30)
    first, second = (run(engine, request)[0] for _ in range(2))
    other = run(engine, chat("Tell me a story.", seed=43, temperature=1.0, max_tokens=30))[0]
    assert text(first) == text(second)
    assert text(first) != text(other)
    assert end(second).cached_tokens == 0


def test_a_stop_string_over_several_tokens_ends_the_text_before_it(engine: LlamaCppEngine) -> None:
    whole = text(run(engine, chat(QUESTION))[0])
    stop = whole[-12:-4]
    (items,) = run(engine, chat(QUESTION, stop=(stop,)))
    assert text(items) == whole[: whole.index(stop)]
    assert end(items).finish_reason == "stop"


def test_characters_of_several_tokens_are_never_cut(engine: LlamaCppEngine) -> None:
    (items,) = run(
        engine, CompletionRequest("🐶 🐱 🐶 🐱 🐶 🐱", Sampling(temperature=0.0, max_tokens=24))
    )
    deltas = [item.text for item in items[:-1] if isinstance(item, Delta)]
    assert any(ord(c) > 0xFFFF for c in "".join(deltas))
    assert all("\ufffd" not in delta for delta in deltas[:-1])


def test_a_cancelled_request_is_gone_before_the_next_step(engine: LlamaCppEngine) -> None:
    engine.submit(1, chat("Count to one hundred.", max_tokens=500))
    for _ in range(3):
        engine.step()
    engine.cancel(1)
    assert engine.idle
    assert engine.step() == []


def test_logprobs_are_those_of_the_model(engine: LlamaCppEngine) -> None:
    (items,) = run(engine, chat(QUESTION, logprobs=3, max_tokens=5))
    tokens = [t for item in items if isinstance(item, Delta) for t in item.logprobs or []]
    assert len(tokens) == 5
    assert "".join(t.token for t in tokens) == text(items)
    for token in tokens:
        assert len(token.top) == 3
        assert token.top[0][2] == token.logprob  # greedy takes the likeliest
        assert sum(math.exp(p) for _, _, p in token.top) <= 1.0001


def test_logit_bias_forbids_a_token(engine: LlamaCppEngine) -> None:
    whole = text(run(engine, chat(QUESTION))[0])
    (paris,) = engine._vocab.tokenize(" Paris", add_special=False)
    assert " Paris" in whole
    assert " Paris" not in text(run(engine, chat(QUESTION, logit_bias={paris: -100.0}))[0])


def test_a_json_schema_holds_at_any_temperature(engine: LlamaCppEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    for seed in range(3):
        request = chat(
            "Describe a person.", json_schema=schema, temperature=1.5, seed=seed, max_tokens=200
        )
        (items,) = run(engine, request)
        person = json.loads(text(items))
        assert isinstance(person["name"], str)
        assert isinstance(person["age"], int)


def test_strings_of_a_schema_hold_no_raw_control_characters(engine: LlamaCppEngine) -> None:
    # "line\\n" is what JSON has for a line break; this model would rather break the line.
    schema = {"type": "object", "properties": {"poem": {"type": "string", "maxLength": 60}}}
    prompt = "Write a poem of three short lines, each line on a line of its own."
    for seed in range(3):
        sampling = Sampling(temperature=1.2, seed=seed, max_tokens=120, json_schema=schema)
        (items,) = run(engine, ChatRequest([{"role": "user", "content": prompt}], sampling))
        assert isinstance(json.loads(text(items)), dict)


def test_a_completion_goes_on_where_the_prompt_ends_and_echoes_it(engine: LlamaCppEngine) -> None:
    request = CompletionRequest("Once upon a", Sampling(temperature=0.0, max_tokens=3), echo=True)
    (items,) = run(engine, request)
    assert text(items).startswith("Once upon a time")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (CompletionRequest([5000] * 1024), ContextLengthExceeded, "1024 tokens"),
        (CompletionRequest([10**6]), InvalidParameter, "vocabulary"),
        (CompletionRequest([]), InvalidParameter, "empty"),
        (chat("x", logit_bias={-1: 1.0}), InvalidParameter, "vocabulary"),
        (chat("x", json_schema={"type": "nonsense"}), InvalidParameter, "schema"),
        (EmbeddingRequest([]), InvalidParameter, "empty"),
        (EmbeddingRequest(["word " * 2000]), ContextLengthExceeded, "2001|2000"),
    ],
)
def test_a_wrong_request_is_refused_and_takes_no_slot(
    engine: LlamaCppEngine, request_: Request, error: type[PowerError], words: str
) -> None:
    with pytest.raises(error, match=words):
        engine.submit(1, request_)
    assert engine.idle


def test_a_model_that_is_cut_off_does_not_load(smollm2_path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with smollm2_path.open("rb") as whole:
        cut.write_bytes(whole.read(5_000_000))
    with pytest.raises(ModelLoadFailed, match=r"llama\.cpp could not load"):
        LlamaCppEngine.load(Load("gguf", (str(cut),), LoadParameters()), lambda _value: None)


# ---------------------------------------------------------------- embeddings


def test_embeddings_are_normalised_and_mean_something(engine: LlamaCppEngine) -> None:
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


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ("pieces", "stop", "sent"),
    [
        (["a", "b"], (), ["a", "b", ""]),
        (["he", "ll", "o"], ("llo",), ["he", "", "", ""]),
        (["x\n", "\n", "y"], ("\n\n",), ["x", "", "", ""]),
        (["ab", "ac"], ("abd",), ["", "abac", ""]),
        (["one STO", "P two"], ("STOP",), ["one ", "", ""]),
        (["a STO"], ("STOP",), ["a ", "STO"]),
    ],
)
def test_text_is_held_back_only_while_it_may_be_a_stop(
    pieces: list[str], stop: tuple[str, ...], sent: list[str]
) -> None:
    stream = TextStream(stop)
    got = []
    for piece in pieces:
        got.append("" if stream.stopped else stream.push(piece.encode()))
    got.append(stream.finish())
    assert got == sent


def test_bytes_of_a_character_are_held_until_it_is_whole() -> None:
    stream = TextStream(())
    dog = "🐶".encode()
    assert [stream.push(dog[i : i + 1]) for i in range(4)] == ["", "", "", "🐶"]
    stream.push(dog[:2])
    assert stream.finish() == "\ufffd"


def test_the_common_prefix_is_found_exactly() -> None:
    slot = Slot(0, tokens=list(range(1000)))
    for length in (0, 1, 499, 500, 999, 1000):
        assert slot.common_prefix([*range(length), -1]) == length


def test_a_template_is_sandboxed_and_says_what_it_does_not_take() -> None:
    escape = ChatTemplate("{{ ''.__class__.__mro__ }}", bos_token="", eos_token="")
    with pytest.raises(InvalidParameter):
        escape.render([])
    picky = ChatTemplate("{{ raise_exception('no system role') }}", bos_token="", eos_token="")
    with pytest.raises(InvalidParameter, match="no system role"):
        picky.render([])
    with pytest.raises(ModelLoadFailed, match="chat template is not valid"):
        ChatTemplate("{% if %}", bos_token="", eos_token="")


def test_a_model_without_a_template_chats_when_it_is_given_one(smollm2_path: Path) -> None:
    parameters = LoadParameters(num_ctx=256, chat_template="{{ messages[0]['content'] }}")
    engine = LlamaCppEngine.load(Load("gguf", (str(smollm2_path),), parameters), lambda _v: None)
    (items,) = run(engine, chat("Once upon a", max_tokens=2))
    assert end(items).prompt_tokens == 3
    engine._template = None
    with pytest.raises(UnsupportedRequestFields, match="chat_template"):
        engine.submit(1, chat("hello"))


def test_layers_that_fit_a_gpu() -> None:
    gib = 2**30
    assert layers_that_fit(weights=4 * gib, layers=32, kv_bytes=gib, free=24 * gib) == -1
    some = layers_that_fit(weights=8 * gib, layers=32, kv_bytes=0, free=4 * gib)
    assert 0 < some < 32
    assert layers_that_fit(weights=8 * gib, layers=32, kv_bytes=0, free=0) == 0
    assert layers_that_fit(weights=8 * gib, layers=0, kv_bytes=0, free=4 * gib) == 0


def test_an_idle_gpu_is_named_with_the_command_that_uses_it() -> None:
    def machine(*, tools: str = "", files: str = "", system: str = "Linux") -> str | None:
        return idle_gpu_hint(
            False,
            system=system,
            machine="arm64" if system == "Darwin" else "x86_64",
            which=lambda name: name if name in tools.split() else None,
            exists=lambda path: path in files.split(),
        )

    assert machine() is None
    assert "GGML_CUDA=on" in (machine(tools="nvidia-smi") or "")
    assert "GGML_HIP=on" in (machine(files="/dev/kfd") or "")
    assert "GGML_METAL=on" in (machine(system="Darwin") or "")
    assert idle_gpu_hint(True, which=lambda name: name) is None
