"""Compare the scores of cross-encoders with those of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidModelDirectory,
    InvalidParameter,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.types import EmbeddingRequest, Ranked, RerankRequest
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.tiny_embeddings import load, write
from support.tiny_rerankers import DOCUMENTS, QUERY, logits, rank, tiny

FAMILIES: dict[str, dict[str, Any]] = {
    "BertConfig": {"types": True},
    "XLMRobertaConfig": {"type_vocab_size": 1},
    "RobertaConfig": {"type_vocab_size": 1, "pad_token_id": 1},
    "DebertaV2Config": {"position_biased_input": False, "relative_attention": True},
    "ModernBertConfig": {"cls_token_id": 1, "sep_token_id": 2, "classifier_pooling": "mean"},
    "ElectraConfig": {"embedding_size": 64, "types": True},
    "DistilBertConfig": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "types": True},
    "MPNetConfig": {},
    "Qwen3Config": {"num_key_value_heads": 2, "head_dim": 16},
}
LONG = "The quick brown fox jumps over the lazy dog. " * 40


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rerankers") / "bert"
    return tiny(directory, "BertConfig", types=True, max_position_embeddings=64)


def scores(ranked: Ranked) -> Any:
    return np.array(ranked.scores)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_those_of_sentence_transformers(tmp_path: Path, name: str) -> None:
    directory = tiny(tmp_path / "m", name, **FAMILIES[name])
    description = describe_directory(directory, None)
    assert (description.format, description.capabilities) == ("huggingface", ("rerank",))
    [ranked] = rank(load(directory), RerankRequest(QUERY, DOCUMENTS))
    expected = logits(directory, QUERY, DOCUMENTS)
    assert np.ptp(expected) > 0.1  # the documents differ
    assert np.abs(scores(ranked) - expected).max() < 1e-4


def test_a_directory_that_sentence_transformers_has_saved(bert: Path, tmp_path: Path) -> None:
    model = CrossEncoder(str(bert), device="cpu", max_length=24)
    model.save_pretrained(str(tmp_path))
    assert (tmp_path / "modules.json").exists()
    assert describe_directory(tmp_path, None).capabilities == ("rerank",)
    engine = load(tmp_path)
    assert engine.info.num_ctx == 24
    documents = [*DOCUMENTS, LONG]
    [ranked] = rank(engine, RerankRequest("fox", documents, truncate="end"))
    assert np.abs(scores(ranked) - logits(tmp_path, "fox", documents)).max() < 1e-4


def test_models_that_need_one_pair_at_a_time(tmp_path: Path) -> None:
    """A decoder finds the last token of a text by the token of the padding, and may have none."""
    directory = tiny(
        tmp_path / "m", "Qwen3Config", num_key_value_heads=2, head_dim=16, pad_token_id=None
    )
    engine = load(directory)
    [together] = rank(engine, RerankRequest(QUERY, DOCUMENTS))
    alone = rank(engine, *(RerankRequest(QUERY, [document]) for document in DOCUMENTS[:5]))
    assert together.scores[:5] == [ranked.scores[0] for ranked in alone]


def test_a_score_does_not_depend_on_the_other_documents(tmp_path: Path) -> None:
    """XLNet reads the last token of the whole batch."""
    settings = {"d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 96}
    directory = tiny(tmp_path / "m", "XLNetConfig", **settings)
    [ranked] = rank(load(directory), RerankRequest(QUERY, DOCUMENTS))
    expected = logits(directory, QUERY, DOCUMENTS, batch_size=1)
    assert np.abs(scores(ranked) - expected).max() < 1e-4


def test_long_documents_are_refused_or_cut(bert: Path) -> None:
    engine = load(bert)
    assert engine.info.num_ctx == 64
    with pytest.raises(ContextLengthExceeded, match=r"documents\[1\] and the query") as info:
        engine.prepare(1, RerankRequest(QUERY, ["short", LONG]))
    assert info.value.param == "documents[1]"
    with pytest.raises(ContextLengthExceeded, match="the query has") as info:
        engine.prepare(1, RerankRequest(LONG, ["short"], truncate="end"))
    assert info.value.param == "query"
    first = LONG[: len(LONG) // 2]
    end, same, start, few, two = rank(
        engine,
        RerankRequest(QUERY, [LONG + "A"], truncate="end"),
        RerankRequest(QUERY, [first], truncate="end"),
        RerankRequest(QUERY, [LONG + "A"], truncate="start"),
        RerankRequest(QUERY, [LONG], document_tokens=2),
        RerankRequest(QUERY, ["The quick"]),
    )
    assert end == same != start
    assert end.prompt_tokens == start.prompt_tokens == 64
    assert few.prompt_tokens == end.prompt_tokens - (64 - len_of(engine, QUERY)) + 2
    assert np.abs(scores(end) - logits(bert, QUERY, [LONG + "A"])).max() < 1e-4
    assert len(two.scores) == 1


def len_of(engine: Any, query: str) -> int:
    [text] = engine.prepare(99, RerankRequest(query, [""]))
    return int(text.length)


def test_requests_take_turns_and_can_be_cancelled(bert: Path) -> None:
    engine = load(bert)
    engine._batch_tokens = 64
    engine.submit(engine.prepare(0, RerankRequest(QUERY, DOCUMENTS * 4)))
    engine.submit(engine.prepare(1, RerankRequest("a", ["b"])))
    done = [id_ for _ in range(2) for id_, _item in engine.step()]
    assert done == [1]
    engine.cancel(0)
    assert engine.idle


def test_only_cross_encoders_rank(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedRequestFields, match="only ranks documents"):
        load(bert).prepare(1, EmbeddingRequest(["a"]))
    two = tiny(tmp_path / "two", "BertConfig", labels=2)
    assert describe_directory(two, None).capabilities == ("embeddings",)
    with pytest.raises(UnsupportedRequestFields, match="has 2 labels instead of one"):
        load(two).prepare(1, RerankRequest("a", ["b"]))
    directory = shutil.copytree(bert, tmp_path / "chat")
    (directory / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(UnsupportedRequestFields, match="has a chat template"):
        load(directory).prepare(1, RerankRequest("a", ["b"]))
    with pytest.raises(InvalidParameter, match="documents is empty"):
        load(bert).prepare(1, RerankRequest("a", []))


def test_a_cross_encoder_of_other_modules_is_refused(bert: Path, tmp_path: Path) -> None:
    CrossEncoder(str(bert), device="cpu").save_pretrained(str(tmp_path))
    modules = json.loads((tmp_path / "modules.json").read_text())
    score = {
        "idx": 1,
        "name": "1",
        "path": "1_LogitScore",
        "type": "sentence_transformers.x.LogitScore",
    }
    write(tmp_path / "modules.json", [*modules, score])
    with pytest.raises(InvalidModelDirectory, match="Transformer, LogitScore"):
        describe_directory(tmp_path, None)
