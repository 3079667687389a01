"""Test the number of threads that the llama.cpp engine computes with."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import llama_cpp as lc
import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Delta, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.threads import CpuThreads
from support.engine_runs import run, text_of

#: More tokens than llama.cpp computes alike with any number of threads.
LONG_PROMPT = tuple(1000 + i for i in range(300))


class ChangingThreads(CpuThreads):
    """Returns another number for each step."""

    def __init__(self, *counts: int) -> None:
        super().__init__(2)
        self._counts = cycle(counts)

    def next_count(self) -> int:
        return next(self._counts)


def load(path: Path, **parameters: int) -> LlamaCppEngine:
    message = Load("gguf", (str(path),), LoadParameters(num_ctx=512, **parameters))
    return LlamaCppEngine.load(message, lambda _value: None)


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    return load(smollm2_path)


def logprobs(engine: LlamaCppEngine, prompt: tuple[int, ...]) -> list[float]:
    sampling = Sampling(temperature=1.0, seed=5, max_tokens=4, logprobs=0)
    (items,) = run(engine, CompletionRequest(list(prompt), sampling))
    deltas = [item for item in items if isinstance(item, Delta)]
    return [entry.logprob for delta in deltas for entry in delta.logprobs or ()]


@pytest.mark.parametrize("length", [20, 300])
def test_a_seeded_answer_does_not_depend_on_the_number_of_threads(
    engine: LlamaCppEngine, length: int
) -> None:
    answers = []
    for counts in ((1,), (2,), (2, 1, 3)):
        engine.threads = ChangingThreads(*counts)
        answers.append(logprobs(engine, LONG_PROMPT[:length]))
    assert len(answers[0]) == 4
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]


def test_each_step_uses_the_number_that_is_free(engine: LlamaCppEngine) -> None:
    engine.threads = ChangingThreads(2, 1, 3)
    assert engine._text is not None
    engine.submit(engine.prepare(1, CompletionRequest("Once", Sampling(max_tokens=20))))
    used = []
    for _ in range(4):
        engine.step()
        used.append(lc.llama_n_threads(engine._text.context.pointer))
    engine.cancel(1)
    assert used == [2, 1, 3, 2]


def test_the_users_number_of_threads_is_used(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_thread=3)
    assert engine._text is not None
    sampling = Sampling(temperature=0.0, max_tokens=4)
    (items,) = run(engine, CompletionRequest("Once upon a", sampling))
    assert text_of(items)
    assert lc.llama_n_threads(engine._text.context.pointer) == 3
    assert lc.llama_n_threads_batch(engine._text.context.pointer) == 3
