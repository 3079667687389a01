"""Recognize cross-encoders in GGUF files and in model directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.store.formats.cross_encoders import (
    check_cross_encoder,
    label_count,
    no_cross_encoder,
)
from a3s_power_jupyter.store.formats.gguf import Header, Tensor
from a3s_power_jupyter.store.formats.gguf_rerankers import TEMPLATE, no_reranker

ROBERTA = {"cls.weight": 64 * 64, "cls.output.weight": 64, "token_types.weight": 64}
DECODER = {"cls.output.weight": 128}
PAIR = "Query: {query}\nDocument: {document}"


def reason(
    sizes: dict[str, int], *, architecture: str = "bert", tokenizer: str = "t5", template: str = ""
) -> str:
    metadata: dict[str, Any] = {
        "general.architecture": architecture,
        f"{architecture}.embedding_length": 64,
        "tokenizer.ggml.model": tokenizer,
        TEMPLATE: template,
    }
    tensors = tuple(Tensor(name, size, 0) for name, size in sizes.items())
    return no_reranker(Header(3, metadata, tensors), tensors)


def test_gguf_files_that_llama_cpp_scores_as_the_original() -> None:
    assert reason(ROBERTA) == ""
    assert reason(ROBERTA, tokenizer="gpt2") == ""
    assert reason(DECODER, architecture="qwen3", template=PAIR) == ""


def without(name: str) -> dict[str, int]:
    return {key: size for key, size in ROBERTA.items() if key != name}


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ({}, {}, "no cross-encoder"),
        ({"cls.weight": 64}, {"architecture": "jina-bert-v2"}, "no cross-encoder"),
        (ROBERTA, {"architecture": "neo-bert"}, "'neo-bert'"),
        (ROBERTA, {"architecture": "modern-bert"}, "ModernBERT"),
        (ROBERTA | {"cls.output.weight": 192}, {}, "3 labels"),
        (without("cls.weight"), {}, "lacks the pooler"),
        (without("token_types.weight"), {}, "DistilBERT"),
        (ROBERTA | {"token_types.weight": 128}, {"tokenizer": "bert"}, "tell the query"),
        (DECODER, {"architecture": "qwen3"}, "no template"),
        (DECODER, {"architecture": "qwen3", "template": "{query}"}, "no template"),
        (
            {"cls.output.weight": 64},
            {"architecture": "qwen3", "template": PAIR},
            "'yes' and 'no'",
        ),
    ],
)
def test_gguf_files_with_other_scores(
    sizes: dict[str, int], options: dict[str, str], expected: str
) -> None:
    assert expected in reason(sizes, **options)


CLASSIFIER = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, 1),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, 3),
        ({"id2label": None, "num_labels": 1}, 1),
        ({"id2label": None}, 2),
        ({"architectures": ["BertModel"]}, None),
        ({"architectures": ["BertForTokenClassification"]}, None),
        ({"architectures": None}, None),
        ({"architectures": "BertForSequenceClassification"}, None),
    ],
)
def test_labels_of_a_config(changes: dict[str, Any], labels: int | None) -> None:
    assert label_count(CLASSIFIER | changes) == labels


def directory(path: Path, config: dict[str, Any], kinds: list[str], model_type: str) -> Path:
    rows = [{"type": f"sentence_transformers.x.{kind}", "path": ""} for kind in kinds]
    settings = {"model_type": model_type}
    for name, value in (
        ("config.json", config),
        ("modules.json", rows),
        ("config_sentence_transformers.json", settings),
    ):
        (path / name).write_text(json.dumps(value))
    return path


def test_the_files_of_sentence_transformers_say_what_a_model_is(tmp_path: Path) -> None:
    """An embedding model may have been made from a classifier."""
    path = directory(tmp_path, CLASSIFIER, ["Transformer", "Pooling"], "SentenceTransformer")
    files = {file.name: file for file in path.iterdir()}
    assert "embeddings" in no_cross_encoder(files)
    check_cross_encoder(path)
    directory(tmp_path, CLASSIFIER, ["Transformer"], "CrossEncoder")
    assert no_cross_encoder(files) == ""
    check_cross_encoder(path)
    assert no_cross_encoder({"config.json": files["config.json"]}) == ""
    assert no_cross_encoder({}) != ""


@pytest.mark.parametrize(
    ("template", "modality", "ranks"),
    [
        ("{{ messages }}", None, False),
        ("{{ messages }}", {"text": {"method": "forward"}}, True),
        (None, {"message": {"method": "forward"}}, False),
        (None, None, True),
    ],
)
def test_pairs_that_belong_into_a_chat_template(
    tmp_path: Path, template: str | None, modality: dict[str, Any] | None, ranks: bool
) -> None:
    path = directory(tmp_path, CLASSIFIER, ["Transformer"], "CrossEncoder")
    (path / "sentence_bert_config.json").write_text(json.dumps({"modality_config": modality}))
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    reason = no_cross_encoder({file.name: file for file in path.iterdir()})
    assert reason == "" if ranks else "chat template" in reason


@pytest.mark.parametrize(
    ("config", "kinds", "expected"),
    [
        (CLASSIFIER, ["Transformer", "LogitScore"], "Transformer, LogitScore"),
        (CLASSIFIER | {"id2label": {"0": "a", "1": "b"}}, ["Transformer"], "2 labels"),
        ({"architectures": ["Qwen3ForCausalLM"]}, ["Transformer"], "no labels"),
    ],
)
def test_other_cross_encoders_are_refused(
    tmp_path: Path, config: dict[str, Any], kinds: list[str], expected: str
) -> None:
    path = directory(tmp_path, config, kinds, "CrossEncoder")
    with pytest.raises(InvalidModelDirectory, match=expected):
        check_cross_encoder(path)
