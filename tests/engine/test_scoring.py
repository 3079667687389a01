"""Test the log probabilities of prompts, as programs that evaluate models request them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a3s_power_jupyter.contract.errors import ContextLengthExceeded
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Constraint,
    Delta,
    Sampling,
    Started,
    TokenLogprob,
)
from a3s_power_jupyter.engine.capacity import SCORED_TOKENS
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support import tiny_gguf
from support.engine_runs import finished, load_directory, run, text_of
from support.items import counts
from support.tiny_models import byte_level, llama_logits, make

NUM_CTX = 256
TEXT = (
    "The capital of France is Paris, and the capital of Italy is Rome. It takes about an hour and "
    "a half to fly from one to the other. An emoji such as 🐶 has several tokens, and so has "
    "漢字. The capital of Germany is Berlin, which is further away, and that of Spain is Madrid."
)


@pytest.fixture(scope="module")
def llama_cpp(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_ctx=NUM_CTX))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(scope="module")
def transformers_engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    directory = make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"))
    return load_directory(TransformersEngine, directory, isq="none", num_thread=1)


@pytest.fixture(params=["llama_cpp", "transformers_engine"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def scored(prompt: str | list[int], **sampling: Any) -> CompletionRequest:
    values = {"temperature": 0.0, "max_tokens": 0, "logprobs": 2, **sampling}
    return CompletionRequest(prompt, Sampling(**values), echo=True)


def scores_of(items: list[Any]) -> list[TokenLogprob]:
    return [t for item in items if isinstance(item, Delta) for t in item.logprobs or []]


def values_of(items: list[Any]) -> list[float | None]:
    return [token.logprob for token in scores_of(items)]


def log_softmax(logits: Any) -> Any:
    return torch.log_softmax(torch.as_tensor(np.asarray(logits), dtype=torch.float64), -1).numpy()


def check(items: list[Any], prompt: list[int], logits: Any, *, tolerance: float) -> None:
    """Compare the scores of a prompt with the logits of the model."""
    expected = log_softmax(logits)
    first, *others = scores_of(items)[: len(prompt)]
    assert (first.logprob, first.top) == (None, [])
    assert len(others) == len(prompt) - 1
    best = np.sort(expected)[:-1, :-3:-1]
    assert np.abs([[t[2] for t in token.top] for token in others] - best).max() < tolerance
    own = expected[range(len(others)), prompt[1:]]
    assert np.abs([token.logprob for token in others] - own).max() < tolerance


def assert_close(items: list[Any], expected: list[Any]) -> None:
    """Compare scores of the same prompt that were computed in batches of other sizes.

    llama.cpp adds up the attention in 16 bits, in an order that depends on the size.
    """
    first, second = (np.array(values_of(items)[1:]) for items in (items, expected))
    assert np.abs(first - second).mean() < 0.2


def test_the_scores_are_those_of_llama_cpp(llama_cpp: LlamaCppEngine, smollm2_path: Path) -> None:
    """Those of the reference are computed with other numbers for the attention."""
    prompt = llama_cpp._vocab.tokenize(TEXT, add_special=False)
    assert len(prompt) > 2 * SCORED_TOKENS
    (items,) = run(llama_cpp, scored(TEXT))
    check(items, prompt, llama_logits(smollm2_path, prompt), tolerance=1.0)
    expected = log_softmax(llama_logits(smollm2_path, prompt))[range(len(prompt) - 1), prompt[1:]]
    assert np.abs(np.array(values_of(items)[1:]) - expected).mean() < 0.1


def test_the_scores_are_those_of_llama_cpp_in_32_bits(tmp_path: Path) -> None:
    path = tiny_gguf.gpt2(tmp_path / "m.gguf", positions=512)
    parameters = LoadParameters(num_ctx=512, flash_attention=False, kv_cache_type="f32")
    engine = LlamaCppEngine.load(Load("gguf", (str(path),), parameters), lambda _value: None)
    prompt = [(7 * i * i) % 250 for i in range(300)]
    (items,) = run(engine, scored(prompt))
    check(items, prompt, llama_logits(path, prompt), tolerance=1e-3)


def test_the_scores_are_those_of_transformers(transformers_engine: TransformersEngine) -> None:
    prompt = [1, *range(20, 120)]
    (items,) = run(transformers_engine, scored(prompt))
    with torch.inference_mode():
        logits = transformers_engine._model.model(torch.tensor([prompt])).logits[0]
    check(items, prompt, logits, tolerance=1e-4)


def test_a_prompt_is_scored_without_an_answer(engine: Any) -> None:
    (items,) = run(engine, scored(TEXT))
    assert isinstance(items[0], Started)
    assert text_of(items) == TEXT
    assert counts(items[-1]) == ("length", items[0].prompt_tokens, 0, 0)
    assert b"".join(bytes(t.bytes) for t in scores_of(items)).decode() == TEXT


@pytest.mark.parametrize("length", [1, 2, SCORED_TOKENS, SCORED_TOKENS + 1])
def test_each_token_of_a_prompt_has_a_score(engine: Any, length: int) -> None:
    prompt = list(range(30, 30 + length))
    (items,) = run(engine, scored(prompt, max_tokens=3))
    assert len(scores_of(items)) == length + finished(items).completion_tokens == length + 3
    assert [token.logprob is None for token in scores_of(items)][:3] == [True, False, False]


def test_no_cache_hides_the_scores_of_a_prompt(engine: Any) -> None:
    (alone,) = run(engine, scored(TEXT))
    engine.reset()
    run(engine, CompletionRequest(TEXT + "More", Sampling(temperature=0.0, max_tokens=3)))
    (again,) = run(engine, scored(TEXT))
    assert finished(again).cached_tokens == 0
    assert_close(again, alone)


def test_prompts_are_scored_beside_other_requests(engine: Any) -> None:
    others = [list(range(9, 90)), list(range(40, 70))]
    alone = [run(engine, scored(prompt))[0] for prompt in (TEXT, *others)]
    generating = CompletionRequest([7, 8, 9], Sampling(temperature=0.0, max_tokens=30))
    together = run(engine, *map(scored, (TEXT, *others)), generating)
    for items, expected in zip(together, alone, strict=False):
        assert_close(items, expected)
    assert finished(together[-1]).completion_tokens > 0


def test_a_request_that_is_set_aside_keeps_its_scores(llama_cpp: LlamaCppEngine) -> None:
    prompts = [list(range(9, 109)), list(range(50, 130))]
    alone = [run(llama_cpp, scored(prompt))[0] for prompt in prompts]
    assert llama_cpp._text is not None
    for id_, prompt in enumerate(prompts):
        llama_cpp.submit(llama_cpp.prepare(id_, scored(prompt)))
    outputs = llama_cpp.step()
    assert llama_cpp._text._pool.set_newest_aside()
    while not llama_cpp.idle:
        outputs += llama_cpp.step()
    for id_, expected in enumerate(alone):
        items = [item for at, item in outputs if at == id_]
        assert len(scores_of(items)) == len(prompts[id_])
        assert_close(items, expected)


def test_the_end_token_of_an_answer_is_listed_after_a_scored_prompt(engine: Any) -> None:
    """lm-evaluation-harness asks for one token and drops the last of the list."""
    vocab = engine._vocab if isinstance(engine, LlamaCppEngine) else engine._model
    ends = vocab.eog_tokens if isinstance(engine, LlamaCppEngine) else vocab.eos_token_ids
    request = scored([30, 31, 32], max_tokens=1, logit_bias={ends[0]: 100.0})
    (items,) = run(engine, request)
    assert counts(items[-1]) == ("stop", 3, 0, 0)
    assert len(scores_of(items)) == 4


def test_a_prompt_that_fills_the_context_is_scored(llama_cpp: LlamaCppEngine) -> None:
    prompt = [30 + i % 200 for i in range(NUM_CTX)]
    (items,) = run(llama_cpp, scored(prompt))
    assert len(scores_of(items)) == NUM_CTX
    with pytest.raises(ContextLengthExceeded):
        llama_cpp.prepare(1, scored(prompt, max_tokens=1))


def test_special_tokens_of_a_prompt_have_names(engine: Any) -> None:
    special = "<|im_start|>" if isinstance(engine, LlamaCppEngine) else "<s>"
    (items,) = run(engine, scored(f"one{special}two"))
    assert text_of(items) == f"one{special}two"
    assert special in [token.token for token in scores_of(items)]


def test_a_prompt_is_echoed_without_scores_if_none_are_requested(engine: Any) -> None:
    sampling = Sampling(temperature=0.0, max_tokens=0)
    (items,) = run(engine, CompletionRequest(TEXT, sampling, echo=True))
    assert text_of(items) == TEXT
    assert scores_of(items) == []
    assert finished(items).completion_tokens == 0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_log_probabilities_of_an_answer_are_those_of_the_model(
    engine: Any, temperature: float
) -> None:
    """A required format, a bias and a temperature change which tokens are sampled, not these."""
    constraint = Constraint("choice", ["London", "Rome"])
    sampling = {"temperature": temperature, "max_tokens": 9, "logprobs": 20, "seed": 1}
    prompt = "The capital of France is "
    request = CompletionRequest(prompt, Sampling(**sampling, constraint=constraint))
    (items,) = run(engine, request)
    answer = scores_of(items)
    assert text_of(items) in ("London", "Rome")
    assert all(len(token.top) == 20 for token in answer)
    tokens = [*engine.prepare(1, request).generation.prompt]
    for token in answer:
        (expected,) = run(engine, scored([*tokens, 0], logprobs=20))
        assert token.top[0][2] == pytest.approx(scores_of(expected)[-1].top[0][2], abs=0.5)
        assert all(first[2] >= second[2] for first, second in pairwise(token.top))
        tokens.append(token_of(engine, token))


def token_of(engine: Any, token: TokenLogprob) -> int:
    """Return the id of a token of an answer."""
    if isinstance(engine, LlamaCppEngine):
        (found,) = engine._vocab.tokenize(token.token, add_special=False)
        return found
    (found,) = engine._model.plain_tokens(token.token)
    return found
