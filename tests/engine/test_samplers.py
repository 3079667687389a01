"""Compare the samplers of the two engines: NumPy's must leave the tokens that llama.cpp's leave."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Constraint, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.chain import new_chain
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.sampling import SamplerSettings
from a3s_power_jupyter.engine.transformers.chain import SamplerChain
from a3s_power_jupyter.engine.transformers.dry import find_breakers
from support.engine_runs import chat, finished, run, text_of

NUM_CTX = 256
QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=NUM_CTX))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(scope="module")
def history(engine: LlamaCppEngine) -> list[int]:
    """Tokens of a text that repeats itself, with a sequence breaker in it."""
    text = "one two three four five\none two three four five six. one two three four"
    return engine._vocab.tokenize(text, add_special=False)


@pytest.fixture(scope="module")
def pieces(engine: LlamaCppEngine) -> list[bytes]:
    vocab = engine._vocab
    return [vocab.token_to_piece(token) for token in range(vocab.size)]


def random_logits(engine: LlamaCppEngine, history: list[int]) -> Any:
    """Return logits in which the tokens of the history are likely."""
    logits = np.random.default_rng(5).normal(0, 3, engine._vocab.size).astype(np.float32)
    logits[history] += 12
    return logits


def by_llama_cpp(
    engine: LlamaCppEngine, sampling: Sampling, history: list[int]
) -> dict[int, float]:
    """Return the tokens that llama.cpp's chain leaves, with their probabilities."""
    settings = SamplerSettings.of(sampling, NUM_CTX)
    chain = new_chain(sampling, settings, engine._vocab, ())
    for token in history:
        lc.llama_sampler_accept(chain, token)
    logits = random_logits(engine, history)
    data = (lc.llama_token_data * len(logits))(
        *[lc.llama_token_data(token, float(logit), 0.0) for token, logit in enumerate(logits)]
    )
    array = lc.llama_token_data_array(data, len(logits), -1, False)
    lc.llama_sampler_apply(chain, ctypes.byref(array))
    lc.llama_sampler_free(chain)
    left = [array.data[i] for i in range(array.size)]
    return {entry.id: entry.p for entry in left if entry.p > 0}


def by_numpy(
    engine: LlamaCppEngine, sampling: Sampling, history: list[int], pieces: list[bytes]
) -> dict[int, float]:
    """Return the tokens that the chain of the transformers engine leaves."""
    settings = SamplerSettings.of(sampling, NUM_CTX)

    def tokenize(text: str) -> list[int]:
        return engine._vocab.tokenize(text, add_special=False)

    breakers = find_breakers(settings.dry_sequence_breakers, pieces, tokenize)
    chain = SamplerChain(settings, breakers, np.random.default_rng(1))
    left = chain.distribution(random_logits(engine, history), history)
    return {int(t): float(p) for t, p in zip(left.tokens, left.probabilities, strict=True)}


SETTINGS: list[dict[str, Any]] = [
    {},
    {"top_k": 0, "top_p": 1.0, "min_p": 0.0},
    {"top_p": 0.0},
    {"min_p": 0.5, "temperature": 1.7},
    {"top_k": 0, "top_p": 0.7, "min_p": 0.0, "temperature": 2.0},
    {"typical_p": 0.6},
    {"typical_p": 0.4, "top_k": 0},
    {"top_n_sigma": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
    {"xtc_probability": 1.0, "xtc_threshold": 0.08},
    {"xtc_probability": 1.0, "xtc_threshold": 0.6},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 1.3, "temperature": 1.0},
    {"dynatemp_range": 0.8, "temperature": 0.8},
    {"repeat_penalty": 1.3, "frequency_penalty": 0.5, "presence_penalty": 0.7},
    {"repeat_penalty": 1.3, "repeat_last_n": 3},
    {"repeat_penalty": 1.3, "repeat_last_n": 0},
    {"frequency_penalty": 1.0, "repeat_last_n": -1},
    {"dry_multiplier": 0.8},
    {"dry_multiplier": 2.0, "dry_base": 1.1, "dry_allowed_length": 1},
    {"dry_multiplier": 2.0, "dry_allowed_length": 0, "dry_penalty_last_n": -1},
    {"dry_multiplier": 2.0, "dry_penalty_last_n": 5},
    {"dry_multiplier": 2.0, "dry_sequence_breakers": ()},
    {"dry_multiplier": 2.0, "dry_sequence_breakers": ("six. o", "five")},
    {"dry_multiplier": 0.8, "typical_p": 0.9, "xtc_probability": 1.0, "top_n_sigma": 3.0},
    {"mirostat": 1, "mirostat_tau": 1.0},
    {"mirostat": 1, "mirostat_tau": 3.0},
    {"mirostat": 2, "mirostat_tau": 1.0},
    {"mirostat": 2, "mirostat_tau": 2.0, "temperature": 1.5},
]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_both_chains_leave_the_same_tokens(
    engine: LlamaCppEngine, history: list[int], pieces: list[bytes], given: dict[str, Any]
) -> None:
    sampling = Sampling(**{"seed": 1, "temperature": 1.0, **given})
    expected = by_llama_cpp(engine, sampling, history)
    ours = by_numpy(engine, sampling, history, pieces)
    assert ours.keys() == expected.keys()
    assert list(ours.values()) == pytest.approx([expected[t] for t in ours], rel=1e-3, abs=1e-6)


def test_mirostat_adapts_its_limit() -> None:
    """The limit falls after a surprising token, and rises after one that was expected."""
    settings = SamplerSettings(mirostat=2, mirostat_tau=3.0, mirostat_eta=0.5, temperature=1.0)
    chain = SamplerChain(settings, {}, np.random.default_rng(1))
    certain = np.array([50.0, 0.0, 0.0], np.float32)
    assert chain.sample(certain, []) == 0
    assert chain._surprise == pytest.approx(6.0 + 0.5 * 3.0)


# ---------------------------------------------------------------- with the real model


def completion(prompt: str, **sampling: Any) -> CompletionRequest:
    return CompletionRequest(prompt, Sampling(**{"temperature": 0.0, **sampling}))


def text(engine: LlamaCppEngine, request: CompletionRequest) -> str:
    return text_of(run(engine, request)[0])


def test_penalties_count_the_tokens_of_the_prompt(engine: LlamaCppEngine) -> None:
    prompt = "red red red red red red red red red red"
    plain = text(engine, completion(prompt, max_tokens=1))
    assert plain == " red"
    penalized = completion(prompt, max_tokens=1, frequency_penalty=2.0, presence_penalty=2.0)
    assert text(engine, penalized) != plain


def test_dry_ends_a_repetition_of_the_prompt(engine: LlamaCppEngine) -> None:
    prompt = "I like tea. You like tea. I like tea. You like tea. I like tea. You like"
    assert text(engine, completion(prompt, max_tokens=1)) == " tea"
    assert text(engine, completion(prompt, max_tokens=1, dry_multiplier=5.0)) != " tea"


def test_xtc_leaves_out_the_best_token_even_with_temperature_0(engine: LlamaCppEngine) -> None:
    prompt = "The opposite of hot is"
    plain = text(engine, completion(prompt, max_tokens=1))
    request = completion(prompt, max_tokens=1, xtc_probability=1.0, xtc_threshold=0.01)
    assert text(engine, request) != plain


def test_an_answer_does_not_end_before_min_tokens(engine: LlamaCppEngine) -> None:
    short = finished(run(engine, chat(QUESTION, max_tokens=120))[0])
    assert short.finish_reason == "stop"
    assert short.completion_tokens < 30
    long = finished(run(engine, chat(QUESTION, max_tokens=120, min_tokens=30))[0])
    assert 30 <= long.completion_tokens < 120
    assert long.finish_reason == "stop"


def test_ignore_eos_writes_until_max_tokens(engine: LlamaCppEngine) -> None:
    end = finished(run(engine, chat(QUESTION, max_tokens=90, ignore_eos=True))[0])
    assert (end.finish_reason, end.completion_tokens) == ("length", 90)


def test_a_stop_token_ends_an_answer(engine: LlamaCppEngine) -> None:
    prompt = "one two three"
    whole = text(engine, completion(prompt, max_tokens=8))
    tokens = engine._vocab.tokenize(whole, add_special=False)
    (items,) = run(engine, completion(prompt, max_tokens=8, stop_token_ids=(tokens[2],)))
    assert finished(items).finish_reason == "stop"
    assert text_of(items) == "".join(
        engine._vocab.token_to_piece(token).decode() for token in tokens[:2]
    )


def test_a_stop_string_that_is_a_special_token_ends_an_answer(engine: LlamaCppEngine) -> None:
    """The model does not stop at this token by itself, and it has no visible text."""
    (start,) = engine._vocab.tokenize("<|im_start|>", add_special=False)
    request = completion("a b c", max_tokens=20, logit_bias={start: 100.0})
    assert finished(run(engine, request)[0]).finish_reason == "length"
    stopping = completion("a b c", max_tokens=20, logit_bias={start: 100.0}, stop=("<|im_start|>",))
    assert finished(run(engine, stopping)[0]).finish_reason == "stop"


def test_an_unknown_stop_token_is_refused(engine: LlamaCppEngine) -> None:
    with pytest.raises(InvalidParameter, match="is not in the model's vocabulary") as caught:
        engine.prepare(1, completion("a", stop_token_ids=(99999999,)))
    assert caught.value.param == "stop_token_ids"


@pytest.mark.parametrize("given", [{"min_tokens": 5}, {"ignore_eos": True}])
def test_a_required_format_and_a_later_end_are_refused(
    engine: LlamaCppEngine, given: dict[str, Any]
) -> None:
    constraint = Constraint("json_schema", {"type": "object"})
    with pytest.raises(InvalidParameter, match="cannot be combined"):
        engine.prepare(1, completion("a", constraint=constraint, **given))


def test_min_tokens_above_max_tokens_is_refused(engine: LlamaCppEngine) -> None:
    with pytest.raises(InvalidParameter, match="larger than the maximum"):
        engine.prepare(1, completion("a", min_tokens=5, max_tokens=4))
