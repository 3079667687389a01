"""Test that models that compute NaN say so, and answer other requests as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import ModelProducesNaN
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Constraint,
    Delta,
    Embedded,
    EmbeddingRequest,
    Sampling,
)
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.checks import check_finite
from a3s_power_jupyter.engine.embeddings import EmbeddingEngine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.logprobs import IMPOSSIBLE, token_logprob
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support import nan_models
from support.engine_runs import load_directory, run, text_of
from support.nan_models import GOOD_TOKENS, NAN_TOKEN

BAD_TOKENS = [1, NAN_TOKEN] * 20


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nan_models.make_gguf(tmp_path_factory.mktemp("gguf"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nan_models.make_safetensors(tmp_path_factory.mktemp("safetensors"))


def load_gguf(path: Path, **parameters: Any) -> LlamaCppEngine:
    load = Load("gguf", (str(path),), LoadParameters(num_parallel=2, num_ctx=128, **parameters))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture(scope="module", params=["transformers", "llama.cpp", "without flash attention"])
def engine(request: pytest.FixtureRequest, gguf: Path, directory: Path) -> Engine[Any]:
    """Without flash attention, a masked NaN in the KV cache spreads to later requests."""
    if request.param == "transformers":
        cache = PromptCacheSettings(memory_bytes=2**26)
        return load_directory(TransformersEngine, directory, prompt_cache=cache, isq="none")
    return load_gguf(gguf, flash_attention=request.param == "llama.cpp")


def test_the_nan_of_a_cancelled_request_ends_no_other(gguf: Path) -> None:
    engine = load_gguf(gguf, flash_attention=False, num_batch=8)
    assert engine._text is not None
    engine._text._batch._separate = False  # as on a GPU
    good = complete(GOOD_TOKENS)
    [expected] = run(engine, good)
    engine.submit(engine.prepare(1, complete(BAD_TOKENS)))
    engine.submit(engine.prepare(2, complete(([*GOOD_TOKENS] * 8)[:38])))  # read beside it
    requests = engine._text._pool.requests
    while not all(request.is_suspect for request in requests):
        assert engine.step() == []
    for _ in range(4):
        engine.step()  # the first one starts again, alone
    engine.cancel(1)
    outputs: list[Any] = []
    while not engine.idle:
        outputs += engine.step()
    assert {id_ for id_, _ in outputs} == {2}
    assert text_of([item for _, item in outputs])
    [items] = run(engine, good)
    assert text_of(items) == text_of(expected)


def complete(tokens: list[int], **sampling: Any) -> CompletionRequest:
    settings = {"temperature": 0.0, "max_tokens": 8, "logprobs": 2, **sampling}
    return CompletionRequest(tokens, Sampling(**settings))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(
    "schema", [{}, {"constraint": Constraint("json_schema", {"type": "object"})}]
)
def test_a_nan_ends_its_request_and_harms_no_other(
    engine: Engine[Any], temperature: float, schema: dict[str, Any]
) -> None:
    good, bad = complete(GOOD_TOKENS), complete(BAD_TOKENS, temperature=temperature, **schema)
    alone = text_of(run(engine, good)[0])
    assert alone
    for requests in ([good, bad], [bad, good]):
        answers = run(engine, *requests)
        for request, items in zip(requests, answers, strict=True):
            if request is bad:
                assert [type(item) for item in items] == [ModelProducesNaN]
            else:
                assert text_of(items) == alone
        for items in run(engine, good, good):  # both slots are usable
            assert text_of(items) == alone


def test_a_cancelled_nan_leaves_nothing_behind(engine: Engine[Any]) -> None:
    """The request is cancelled before its logits are checked."""
    good = complete(GOOD_TOKENS)
    alone = text_of(run(engine, good)[0])
    for id_ in (1, 2):
        engine.submit(engine.prepare(id_, complete(BAD_TOKENS)))
    if isinstance(engine, LlamaCppEngine):
        assert engine._text is not None
        engine._text._pool.admit()
        for group in engine._text._batch.plan():
            engine._text._batch.compute(group, engine.threads)
    for id_ in (1, 2):
        engine.cancel(id_)
    for items in run(engine, good, good):
        assert text_of(items) == alone


def test_a_nan_after_the_first_tokens_ends_the_answer(engine: Engine[Any]) -> None:
    """The sampled token is the one whose embedding is NaN."""
    request = complete(GOOD_TOKENS, logit_bias={NAN_TOKEN: 100.0})
    [items] = run(engine, request)
    assert isinstance(items[-1], ModelProducesNaN)
    [delta] = [item for item in items if isinstance(item, Delta)]
    assert delta.logprobs is not None
    assert len(delta.logprobs) == 1


def test_vectors_with_nan_are_an_error_with_llama_cpp(gguf: Path) -> None:
    engine = load_gguf(gguf)
    good, bad = EmbeddingRequest([GOOD_TOKENS]), EmbeddingRequest([GOOD_TOKENS, BAD_TOKENS])
    [before], [error], [after] = run(engine, good, bad, good)
    assert isinstance(error, ModelProducesNaN)
    assert isinstance(before, Embedded)
    assert before == after


def test_vectors_with_nan_are_an_error_with_transformers(tmp_path: Path) -> None:
    nan_models.make_encoder(tmp_path)
    engine = load_directory(EmbeddingEngine, tmp_path)
    good, bad = EmbeddingRequest([GOOD_TOKENS]), EmbeddingRequest([GOOD_TOKENS, BAD_TOKENS])
    [alone] = run(engine, good)[0]
    assert isinstance(alone, Embedded)
    [before], [error], [after] = run(engine, good, bad, good)  # in one batch
    assert isinstance(error, ModelProducesNaN)
    for embedded in (before, after):
        vector, expected = (np.frombuffer(e.vectors, "<f4") for e in (embedded, alone))
        np.testing.assert_allclose(vector, expected, atol=1e-6)


# ---------------------------------------------------------------- functions


@pytest.mark.parametrize(
    "values", [[1.0, np.nan], [np.nan, np.inf], [1.0, np.inf], [-np.inf, -np.inf]]
)
def test_numbers_that_give_no_result_are_refused(values: list[float]) -> None:
    with pytest.raises(ModelProducesNaN):
        check_finite(np.array(values, np.float32))


def test_single_tokens_may_be_impossible() -> None:
    logits = np.array([0.0, -np.inf, 1.0], np.float32)
    check_finite(logits)
    piece: Callable[[int], bytes] = lambda token: b"%d" % token  # noqa: E731
    logprob = token_logprob(logits, 1, 3, piece)
    assert logprob.logprob == IMPOSSIBLE
    assert [text for text, _, _ in logprob.top] == ["2", "0"]
