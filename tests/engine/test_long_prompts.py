"""Test that a long prompt does not delay the requests beside it."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_gguf

LONG, SHORT, OTHER = 1, 2, 3
LENGTH = 8000


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> LlamaCppEngine:
    path = tiny_gguf.gpt2(tmp_path_factory.mktemp("gpt2") / "model.gguf", positions=16384)
    parameters = LoadParameters(num_ctx=10240)
    return LlamaCppEngine.load(Load("gguf", (str(path),), parameters), lambda _value: None)


@pytest.fixture(scope="module")
def chunks(engine: LlamaCppEngine) -> int:
    """Steps in which the long prompt is read alone."""
    submit(engine, LONG, LENGTH, 4)
    return steps_until_output(engine, LONG, 1000)


def submit(engine: LlamaCppEngine, id_: int, length: int, max_tokens: int) -> None:
    prompt = [(7 * id_ + index * index) % 250 for index in range(length)]
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens, logit_bias={257: -100.0})
    engine.submit(engine.prepare(id_, CompletionRequest(prompt, sampling)))


def steps_until_output(engine: LlamaCppEngine, id_: int, limit: int) -> int:
    for count in range(1, limit + 1):
        if any(at == id_ for at, _ in engine.step()):
            return count
    pytest.fail(f"no output after {limit} steps")


def test_a_short_prompt_overtakes_a_long_one(engine: LlamaCppEngine) -> None:
    engine.reset()
    submit(engine, SHORT, 30, 4)
    alone = steps_until_output(engine, SHORT, 10)
    engine.reset()
    submit(engine, LONG, LENGTH, 4)
    for _ in range(3):
        engine.step()
    submit(engine, SHORT, 30, 4)
    assert steps_until_output(engine, SHORT, 100) <= alone + 2


def test_generation_goes_on_while_a_long_prompt_is_read(
    engine: LlamaCppEngine, chunks: int
) -> None:
    engine.reset()
    submit(engine, OTHER, 10, 500)
    steps_until_output(engine, OTHER, 10)
    submit(engine, LONG, LENGTH, 4)
    tokens = 0
    for _step in range(2 * chunks):
        outputs = engine.step()
        if any(id_ == LONG for id_, _ in outputs):
            break
        tokens += any(id_ == OTHER for id_, _ in outputs)
    else:
        pytest.fail(f"the long prompt was not read after {2 * chunks} steps")
    assert tokens > chunks / 2


def test_short_prompts_do_not_starve_a_long_one(engine: LlamaCppEngine, chunks: int) -> None:
    """A new short prompt arrives with every second step."""
    engine.reset()
    submit(engine, LONG, LENGTH, 4)
    for number in range(3 * chunks):
        if number % 2 == 0:
            engine.cancel(10 + number - 2)
            submit(engine, 10 + number, 100, 4)
        if any(id_ == LONG for id_, _ in engine.step()):
            return
    pytest.fail(f"the long prompt was not read after {3 * chunks} steps")
