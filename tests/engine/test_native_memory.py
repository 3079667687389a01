"""Test that requests free their native objects, however they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import PowerError
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Constraint,
    EmbeddingRequest,
    Request,
    Sampling,
)
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp import engine as engine_module
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import run
from support.native_objects import NativeObjects

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}

#: Samplers in a chain belong to the chain.
FUNCTIONS = {
    "llama_sampler_chain_init": "llama_sampler_free",
    "llama_init_from_model": "llama_free",
    "llama_batch_init": "llama_batch_free",
}


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    load = Load("gguf", (str(smollm2_path),), LoadParameters(num_parallel=2, num_ctx=256))
    return LlamaCppEngine.load(load, lambda _value: None)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, engine: LlamaCppEngine) -> NativeObjects:
    return NativeObjects(monkeypatch, lc, FUNCTIONS)


def complete(prompt: Any = "Hello", **sampling: Any) -> CompletionRequest:
    constraint = Constraint("json_schema", SCHEMA)
    return CompletionRequest(prompt, Sampling(max_tokens=4, constraint=constraint, **sampling))


REFUSED = {
    "an unknown token in logit_bias": complete(logit_bias={10**6: 1.0}),
    "a long prompt": complete([5] * 300),
    "an unknown token in the prompt": complete([10**6]),
    "an empty prompt": complete([]),
    "a rejected schema": CompletionRequest(
        "a", Sampling(constraint=Constraint("json_schema", {"not": {"const": 1}}))
    ),
    "a token to embed": EmbeddingRequest([[10**6]]),
}


def refuse(engine: LlamaCppEngine, request: Request) -> str:
    try:
        engine.prepare(1, request)
    except PowerError as error:
        return error.code
    return "not refused"


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_leaves_nothing(
    engine: LlamaCppEngine, objects: NativeObjects, name: str
) -> None:
    assert refuse(engine, REFUSED[name]) != "not refused"
    assert objects.count == 0


def test_a_discarded_preparation_leaves_nothing(
    engine: LlamaCppEngine, objects: NativeObjects
) -> None:
    prepared = engine.prepare(1, complete())
    assert objects.count == 1
    del prepared
    assert objects.count == 0


def test_a_finished_or_cancelled_request_leaves_nothing(
    engine: LlamaCppEngine, objects: NativeObjects
) -> None:
    run(engine, complete(), complete(seed=1, repeat_penalty=1.1, logit_bias={5: 1.0}))
    assert objects.created == 2
    assert objects.count == 0
    for stop in (lambda: engine.cancel(1), engine.reset):
        engine.submit(engine.prepare(1, complete()))
        engine.step()
        assert objects.count == 1
        stop()
        assert objects.count == 0


def test_a_failed_request_leaves_nothing(
    engine: LlamaCppEngine, objects: NativeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise PowerError("a bug")

    monkeypatch.setattr(engine_module.Sampler, "sample", fail)
    [[error], [other]] = run(engine, complete(), complete())
    assert (error.message, other.message) == ("a bug", "a bug")
    del error, other  # their tracebacks keep the samplers
    assert objects.count == 0


def test_a_failed_embedding_leaves_no_context(
    engine: LlamaCppEngine, objects: NativeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise MemoryError

    engine.reset()
    run(engine, EmbeddingRequest(["a"]))
    assert objects.count == 2  # the context stays for the next request
    monkeypatch.setattr(np.ctypeslib, "as_array", fail)
    [[error]] = run(engine, EmbeddingRequest(["a"]))
    assert error.code == "insufficient_memory"
    monkeypatch.undo()
    assert objects.count == 0
