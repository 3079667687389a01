"""Test texts at and beyond the end of a GGUF model's table of positions, alone and beside others.

llama.cpp ends the process if a text is longer than the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Embedded,
    EmbeddingRequest,
    Sampling,
    Truncate,
)
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.text_reader import EmbeddingJob
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.store.formats.gguf_model import describe_gguf
from support import tiny_gguf
from support.engine_runs import run
from support.items import counts

POSITIONS = 40


def load(path: Path, **parameters: Any) -> LlamaCppEngine:
    message = Load("gguf", (str(path),), LoadParameters(num_thread=1, **parameters))
    return LlamaCppEngine.load(message, lambda _value: None)


def words(number: int) -> str:
    return " ".join(f"w{i % 50}" for i in range(number))


def vectors(items: list[Any]) -> Any:
    [item] = items
    assert isinstance(item, Embedded)
    return np.frombuffer(item.vectors, "<f4").reshape(-1, item.dimensions)


@pytest.mark.parametrize("num_ctx", [None, 20, 4096])
def test_texts_to_embed(tmp_path: Path, num_ctx: int | None) -> None:
    """A text is refused, alone or in a list, and the other requests get their vectors."""
    path = tiny_gguf.bert(tmp_path / "m.gguf", POSITIONS)
    assert describe_gguf(path).context_length == POSITIONS
    engine = load(path, **({} if num_ctx is None else {"num_ctx": num_ctx}))
    limit = min(num_ctx or POSITIONS, POSITIONS)
    assert engine.info.num_ctx == limit
    longest, too_long = words(limit - 2), words(limit - 1)  # besides [CLS] and [SEP]
    [alone] = map(vectors, run(engine, EmbeddingRequest([longest])))
    engine.submit(engine.prepare(1, EmbeddingRequest([longest, "w1"])))
    for texts in ([too_long], ["w1", too_long, "w2"], [words(1000)], [[5] * (limit + 1)]):
        with pytest.raises(ContextLengthExceeded) as caught:
            engine.prepare(2, EmbeddingRequest(texts))  # type: ignore[arg-type]
        assert ("num_ctx" in caught.value.message) == (limit < POSITIONS)
    outputs: list[Any] = []
    while not engine.idle:
        outputs += engine.step()
    assert np.abs(vectors([item for _, item in outputs])[0] - alone[0]).max() < 1e-5


def test_a_text_to_embed_is_cut_between_its_special_tokens(tmp_path: Path) -> None:
    engine = load(tiny_gguf.bert(tmp_path / "m.gguf", POSITIONS))

    def tokens(text: str | list[int], truncate: Truncate = "none") -> list[int]:
        job = engine.prepare(1, EmbeddingRequest([text], truncate=truncate))
        assert isinstance(job, EmbeddingJob)
        return job.inputs[0]

    room = POSITIONS - 2
    numbers = words(room + 7).split()
    long = " ".join(numbers)
    assert tokens(long, "end") == tokens(" ".join(numbers[:room]))
    assert tokens(long, "start") == tokens(" ".join(numbers[-room:]))
    assert tokens(words(100_000), "end") == tokens(words(room))
    assert tokens([5] * 100, "end") == [5] * POSITIONS


@pytest.mark.parametrize("num_ctx", [None, 4096])
def test_prompts(tmp_path: Path, num_ctx: int | None) -> None:
    path = tiny_gguf.gpt2(tmp_path / "m.gguf", POSITIONS)
    engine = load(path, num_parallel=2, **({} if num_ctx is None else {"num_ctx": num_ctx}))
    assert engine.info.num_ctx == POSITIONS
    endless = Sampling(temperature=0.0, logit_bias={257: -1000.0})
    lists = run(engine, CompletionRequest([5, 9], endless), CompletionRequest([7] * 30, endless))
    for items, prompt in zip(lists, (2, 30), strict=True):
        assert counts(items[-1]) == ("length", prompt, POSITIONS - prompt, 0)
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 40 tokens"):
        engine.prepare(1, CompletionRequest([7] * POSITIONS))


def test_the_longest_prompt_in_a_context_that_llamacpp_rounds_up(tmp_path: Path) -> None:
    path = tiny_gguf.gpt2(tmp_path / "m.gguf", 1024)
    for num_ctx, num_parallel in ((96, 4), (16, 32)):
        engine = load(path, num_ctx=num_ctx, num_parallel=num_parallel)
        limit = engine.info.num_ctx
        endless = Sampling(temperature=0.0, logit_bias={257: -1000.0}, max_tokens=2)
        short = [CompletionRequest([id_], endless) for id_ in range(num_parallel - 1)]
        answers = run(engine, *short, CompletionRequest([7] * (limit - 2), endless))
        assert [counts(items[-1])[2] for items in answers] == [2] * num_parallel
