"""Test how llama.cpp embeds the texts of several requests, in parts or as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import ModelLoadFailed, ModelProducesNaN
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Embedded,
    EmbeddingRequest,
    Finished,
    Request,
    Sampling,
)
from a3s_power_jupyter.engine.cancellation import CANCELLED
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.embedder import new_reader
from a3s_power_jupyter.engine.llamacpp.part_reader import PartReader
from a3s_power_jupyter.engine.llamacpp.text_reader import EmbeddingJob, TextReader, WholeReader
from a3s_power_jupyter.engine.protocol import Load
from support import nan_models, tiny_gguf
from support.engine_runs import run
from support.nodes import Nodes

POOLINGS = {
    "mean": lc.LLAMA_POOLING_TYPE_MEAN,
    "first token": lc.LLAMA_POOLING_TYPE_CLS,
    "last token": lc.LLAMA_POOLING_TYPE_LAST,
}


def load(path: Path, **parameters: Any) -> LlamaCppEngine:
    settings = LoadParameters(num_thread=1, num_batch=32, **parameters)
    return LlamaCppEngine.load(Load("gguf", (str(path),), settings), lambda _value: None)


def text(length: int, start: int = 0) -> list[int]:
    return [10 + (7 * i + start) % 40 for i in range(length)]


def vectors(item: Any) -> Any:
    assert isinstance(item, Embedded)
    return np.frombuffer(item.vectors, "<f4").reshape(-1, item.dimensions)


def step(engine: LlamaCppEngine, requests: dict[int, Request]) -> list[tuple[int, Any]]:
    """Submit requests and step the engine until all have ended; return the outputs in order."""
    for id_, request in requests.items():
        engine.submit(engine.prepare(id_, request))
    outputs: list[tuple[int, Any]] = []
    while not engine.idle:
        outputs += engine.step()
    return outputs


# ---------------------------------------------------------------- vectors


def read(reader: TextReader, *texts: list[int]) -> Any:
    job = EmbeddingJob(1, list(texts))
    reader.grow(job)
    while len(job.vectors) < len(texts):
        reader.read(job, job, others_generate=False)
    reader.free()
    return np.array(job.vectors)


@pytest.mark.parametrize("kind", ["full", "window", "recurrent"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_parts_are_pooled_as_llama_cpp_pools_whole_texts(
    cache_kinds: dict[str, Path], kind: str, pooling: str
) -> None:
    model = load(cache_kinds[kind])._model
    assert isinstance(new_reader(model, POOLINGS[pooling]), PartReader)
    texts = [text(n, n) for n in (1, 700, 31, 32, 33, 2, 64, 100)]
    whole, parts = (
        read(reader(model, POOLINGS[pooling]), *texts) for reader in (WholeReader, PartReader)
    )
    np.testing.assert_allclose(parts, whole, atol=2e-3)
    assert (parts * whole).sum(axis=1).min() > 0.99999


def test_a_real_model_pools_parts_as_whole_texts(smollm2_path: Path) -> None:
    load_ = Load("gguf", (str(smollm2_path),), LoadParameters(num_batch=128))
    model = LlamaCppEngine.load(load_, lambda _value: None)._model
    for pooling in (POOLINGS["mean"], POOLINGS["last token"]):
        texts = [[1000 + (7 * i) % 4000 for i in range(n)] for n in (5, 160)]
        whole, parts = (
            read(reader(model, pooling), *texts) for reader in (WholeReader, PartReader)
        )
        assert (parts * whole).sum(axis=1).min() > 0.9999


def test_an_encoder_computes_whole_texts(tmp_path: Path) -> None:
    engine = load(tiny_gguf.bert(tmp_path / "m.gguf", 512))
    assert isinstance(new_reader(engine._model, POOLINGS["mean"]), WholeReader)
    assert engine.info.slots > 1


# ---------------------------------------------------------------- order


def test_a_chat_goes_on_while_a_long_text_is_embedded(cache_kinds: dict[str, Path]) -> None:
    engine = load(cache_kinds["full"])
    endless = Sampling(temperature=0.0, max_tokens=12, logit_bias={257: -1000.0})
    requests = {1: EmbeddingRequest([text(1500)]), 2: CompletionRequest(text(40), endless)}
    outputs = step(engine, requests)
    kinds = [type(item) for _, item in outputs]
    assert kinds.index(Finished) < kinds.index(Embedded)
    alone = run(engine, requests[1])[0][0]
    [beside] = [item for id_, item in outputs if id_ == 1]
    np.testing.assert_allclose(vectors(beside), vectors(alone), atol=1e-3)


@pytest.mark.parametrize("kind", ["full", "recurrent", "encoder"])
def test_a_short_text_does_not_wait_for_long_ones(
    cache_kinds: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    encoder = kind == "encoder"
    path = tiny_gguf.bert(tmp_path / "m.gguf", 512) if encoder else cache_kinds[kind]
    engine = load(path)
    long = EmbeddingRequest([text(500, i) for i in range(8)])
    alone = [vectors(run(engine, request)[0][0]) for request in (long, EmbeddingRequest([text(9)]))]
    outputs = step(engine, {1: long, 2: EmbeddingRequest([text(9)])})
    assert [id_ for id_, _ in outputs] == [2, 1]
    for id_, item in outputs:
        np.testing.assert_allclose(vectors(item), alone[id_ - 1], atol=1e-3)


def test_a_short_text_that_comes_later_is_next(cache_kinds: dict[str, Path]) -> None:
    engine = load(cache_kinds["full"])
    engine.submit(engine.prepare(1, EmbeddingRequest([text(500)])))
    for id_ in (2, 3, 4):
        engine.step()
        engine.submit(engine.prepare(id_, EmbeddingRequest([text(9)])))
        assert [found for found, _ in engine.step()] == [id_]
    engine.cancel(1)
    assert engine.idle


def test_a_long_text_does_not_wait_for_many_others(cache_kinds: dict[str, Path]) -> None:
    """It begins when the texts in the memory have ended, although others want to begin."""
    engine = load(cache_kinds["full"])
    many = {id_: EmbeddingRequest([text(400, i) for i in range(6)]) for id_ in range(3)}
    outputs = step(engine, {**many, 3: EmbeddingRequest([text(1000)])})
    assert [id_ for id_, _ in outputs].index(3) < 3
    assert [id_ for id_, _ in sorted(outputs, key=lambda output: output[0])] == [0, 1, 2, 3]


def test_requests_of_all_lengths_end(cache_kinds: dict[str, Path]) -> None:
    engine = load(cache_kinds["full"])
    random = np.random.default_rng(1)
    requests: dict[int, Request] = {
        id_: EmbeddingRequest([text(int(n), id_) for n in 2 ** random.uniform(0, 10.8, 3)])
        for id_ in range(20)
    }
    alone = {id_: run(engine, request)[0][0] for id_, request in requests.items()}
    engine.reset()  # the context grows again
    outputs = step(engine, requests)
    assert sorted(id_ for id_, _ in outputs) == sorted(requests)
    for id_, item in outputs:
        np.testing.assert_allclose(vectors(item), vectors(alone[id_]), atol=1e-3)


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize("kind", ["full", "window", "recurrent"])
def test_a_cancelled_text_harms_no_other(
    cache_kinds: dict[str, Path], kind: str, nodes: Nodes
) -> None:
    engine = load(cache_kinds[kind])
    good = EmbeddingRequest([text(300)])
    [[alone]] = run(engine, good)
    for id_, request in ((1, EmbeddingRequest([text(900, 3)])), (2, good)):
        engine.submit(engine.prepare(id_, request))
    outputs: list[Any] = []
    for _ in range(4):
        outputs += engine.step()
    nodes.cancel(1, after=3)
    while not engine.idle:
        outputs += engine.step()
        if CANCELLED:
            CANCELLED.clear()
            engine.cancel(1)
    [(id_, item)] = outputs
    assert id_ == 2
    np.testing.assert_allclose(vectors(item), vectors(alone), atol=1e-3)


def test_texts_that_are_too_long_for_the_memory_do_not_hold_up_others(
    cache_kinds: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would need a larger context, for which a text in the memory begins again."""
    new_context = PartReader._new_context

    def limited(self: PartReader, longest: int) -> Any:
        if longest > 1024:
            raise ModelLoadFailed("There is not enough memory.")
        return new_context(self, longest)

    monkeypatch.setattr(PartReader, "_new_context", limited)
    engine = load(cache_kinds["full"])
    engine.submit(engine.prepare(0, EmbeddingRequest([text(1000)])))
    ended: dict[int, Any] = {}
    for id_ in range(1, 50):
        engine.submit(engine.prepare(id_, EmbeddingRequest([text(1100)])))
        for _ in range(4):
            ended.update(engine.step())
    assert isinstance(ended.pop(0), Embedded)
    assert all(isinstance(item, ModelLoadFailed) for item in ended.values())
    monkeypatch.undo()  # there is memory again
    [(_, item)] = step(engine, {50: EmbeddingRequest([text(1100)])})
    assert isinstance(item, Embedded)


@pytest.mark.parametrize("flash_attention", [True, False])
def test_a_text_with_nan_ends_its_request_alone(tmp_path: Path, flash_attention: bool) -> None:
    """Without flash attention, its NaN reaches the texts of the others in the memory."""
    engine = load(nan_models.make_gguf(tmp_path), flash_attention=flash_attention)
    good = EmbeddingRequest([[*nan_models.GOOD_TOKENS] * 20] * 3)
    bad = EmbeddingRequest([[1, nan_models.NAN_TOKEN] * 40])
    [[alone]] = run(engine, good)
    engine._embedder._reader = PartReader(engine._model, POOLINGS["last token"])
    [[alone]] = run(engine, good)
    for order in ((good, bad, good), (bad, good, bad)):
        for request, [item] in zip(order, run(engine, *order), strict=True):
            if request is bad:
                assert isinstance(item, ModelProducesNaN)
            else:
                np.testing.assert_allclose(vectors(item), vectors(alone), atol=1e-3)
