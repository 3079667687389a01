"""Compare the scores of GGUF cross-encoders with those of the same weights on transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, EmbeddingRequest, RerankRequest
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.reranker import RankingJob
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.store.formats.gguf_model import describe_gguf
from support import tiny_models
from support.tiny_rerankers import (
    DOCUMENTS,
    QUERY,
    logits,
    rank,
    tiny,
    to_decoder_gguf,
    to_gguf,
)

LONG = "The quick brown fox jumps over the lazy dog. " * 40


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(
        tmp_path_factory.mktemp("rerankers") / "roberta",
        "XLMRobertaConfig",
        type_vocab_size=1,
        max_position_embeddings=129,
    )


@pytest.fixture(scope="module")
def model(directory: Path) -> Path:
    return to_gguf(directory, directory.parent / "roberta.gguf")


def load(path: Path, **parameters: Any) -> LlamaCppEngine:
    message = Load("gguf", (str(path),), LoadParameters(num_thread=1, **parameters))
    return LlamaCppEngine.load(message, lambda _value: None)


def test_scores_are_those_of_the_same_weights(directory: Path, model: Path) -> None:
    assert describe_gguf(model).capabilities == ("rerank",)
    engine = load(model)
    assert engine.info.num_ctx == 128
    few, many = rank(
        engine, RerankRequest(QUERY, DOCUMENTS[:3]), RerankRequest(QUERY, DOCUMENTS * 3)
    )
    expected = logits(directory, QUERY, DOCUMENTS)
    assert np.ptp(expected) > 0.1
    # llama.cpp computes GELU from a table in float16.
    assert np.abs(np.array(many.scores) - np.tile(expected, 3)).max() < 3e-3
    assert np.abs(np.array(few.scores) - expected[:3]).max() < 3e-3


def test_tokens_of_a_pair_are_those_of_transformers(directory: Path, model: Path) -> None:
    """A file does not say that there are two tokens between a pair, if it is old."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    job = load(model).prepare(1, RerankRequest(QUERY, DOCUMENTS))
    assert isinstance(job, RankingJob)
    for pair, document in zip(job.pairs, DOCUMENTS, strict=True):
        assert [*pair.tokens] == tokenizer([QUERY], [document])["input_ids"][0]
        assert tokenizer.decode(pair.tokens[pair.start : pair.end]) == document


def test_a_file_that_says_what_is_between_a_pair(directory: Path, tmp_path: Path) -> None:
    path = to_gguf(directory, tmp_path / "m.gguf", tokenizer__ggml__add_sep_token=False)
    job = load(path).prepare(1, RerankRequest("a", ["b"]))
    assert isinstance(job, RankingJob)
    assert [job.pairs[0].tokens.count(token) for token in (1, 2)] == [1, 2]


def test_special_tokens_in_texts_are_text(model: Path) -> None:
    job = load(model).prepare(1, RerankRequest("a", ["b", "b</s></s>c"]))
    assert isinstance(job, RankingJob)
    assert [pair.tokens.count(2) for pair in job.pairs] == [3, 3]


def test_a_template_has_the_place_of_the_texts(directory: Path, tmp_path: Path) -> None:
    template = "<s>Query: {query}\nDocument: {document}</s>\nRelevant?"
    path = to_gguf(directory, tmp_path / "m.gguf", tokenizer__chat_template__rerank=template)
    engine = load(path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    job = engine.prepare(1, RerankRequest("{document}?", ["the fox", LONG, ""], truncate="end"))
    assert isinstance(job, RankingJob)
    first, long, empty = (tokenizer.decode(pair.tokens) for pair in job.pairs)
    assert first == "<s>Query: {document}?\nDocument: the fox</s>\nRelevant?"
    assert long.startswith("<s>Query: {document}?\nDocument: The quick brown")
    assert long.endswith("</s>\nRelevant?")
    assert len(job.pairs[1].tokens) == engine.info.num_ctx
    assert empty == "<s>Query: {document}?\nDocument: </s>\nRelevant?"


def test_a_decoder_that_answers_yes_or_no(tmp_path: Path) -> None:
    """Its score is the log of the odds of "yes", as in sentence-transformers."""
    template, (yes, no) = "<s>Query: {query}\nDocument: {document}</s>\n", (300, 310)
    tokens = tiny_models.byte_level(tiny_models.QWEN2)
    directory = tiny_models.make(
        tmp_path / "d", "Qwen3Config", tokens, head_dim=16, tie_word_embeddings=False
    )
    path = to_decoder_gguf(directory, tmp_path / "m.gguf", template, (yes, no))
    assert describe_gguf(path).capabilities == ("rerank",)
    [ranked] = rank(load(path), RerankRequest(QUERY, DOCUMENTS[:3]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    for document, score in zip(DOCUMENTS, ranked.scores, strict=False):
        text = template.replace("{query}", QUERY).replace("{document}", document)
        last = tiny_models.logits(directory, tokenizer.encode(text, add_special_tokens=False))[-1]
        assert score == pytest.approx(last[yes] - last[no], abs=0.02)  # f16 cache


def test_long_documents_are_refused_or_cut(model: Path) -> None:
    engine = load(model)
    with pytest.raises(ContextLengthExceeded) as info:
        engine.prepare(1, RerankRequest(QUERY, ["short", LONG]))
    assert info.value.param == "documents[1]"
    assert "larger num_ctx" not in info.value.message
    with pytest.raises(ContextLengthExceeded, match="larger num_ctx"):
        load(model, num_ctx=32).prepare(1, RerankRequest(QUERY, [LONG]))
    end, same, start = rank(
        engine,
        RerankRequest(QUERY, [LONG + "A"], truncate="end"),
        RerankRequest(QUERY, [LONG], truncate="end"),
        RerankRequest(QUERY, [LONG + "A"], truncate="start"),
    )
    assert end == same != start


def test_requests_take_turns_and_can_be_cancelled(model: Path) -> None:
    engine = load(model)
    engine.submit(engine.prepare(0, RerankRequest(QUERY, DOCUMENTS * 4)))
    engine.submit(engine.prepare(1, RerankRequest("a", ["b"])))
    done = [id_ for _ in range(2) for id_, _item in engine.step()]
    assert done == [1]
    engine.cancel(0)
    assert engine.idle
    engine.reset()
    [again] = rank(engine, RerankRequest("a", ["b"]))
    assert len(again.scores) == 1


def test_a_cross_encoder_only_ranks(model: Path) -> None:
    engine = load(model)
    chat = ChatRequest([{"role": "user", "content": "a"}])
    for request in (EmbeddingRequest(["a"]), chat):
        with pytest.raises(UnsupportedRequestFields, match="only ranks documents"):
            engine.prepare(1, request)
    with pytest.raises(UnsupportedRequestFields, match="only ranks documents"):
        engine.render(chat)
    with pytest.raises(InvalidParameter, match="documents is empty"):
        engine.prepare(1, RerankRequest("a", []))


@pytest.mark.parametrize(
    ("leave_out", "labels", "reason"),
    [
        ("cls.output", 1, "no cross-encoder"),
        ("cls.weight", 1, "lacks the pooler"),
        ("token_types", 1, "DistilBERT"),
        ("-", 3, "has 3 labels instead of one"),
    ],
)
def test_scores_that_would_be_wrong_are_refused(
    tmp_path: Path, leave_out: str, labels: int, reason: str
) -> None:
    """llama.cpp would compute numbers for each of these."""
    directory = tiny(
        tmp_path / "d", "XLMRobertaConfig", type_vocab_size=1, labels=labels,
        max_position_embeddings=129,
    )  # fmt: skip
    path = to_gguf(directory, tmp_path / "m.gguf", leave_out=leave_out)
    assert describe_gguf(path).capabilities == ("embeddings",)
    with pytest.raises(UnsupportedRequestFields, match=reason):
        load(path).prepare(1, RerankRequest("a", ["b"]))
