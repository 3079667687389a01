"""Test tokens beyond the embedding matrix: they would end the process on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers

from a3s_power_jupyter.contract.errors import InvalidParameter, ModelLoadFailed
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    EmbeddingRequest,
    Request,
    Sampling,
)
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.embeddings import EmbeddingEngine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import load_directory, run, text_of
from support.tiny_models import byte_level, make, spm_bpe

#: A token that the tokenizer has, but the model does not.
EXTRA = "<|extra|>"
ROWS = 400


@pytest.fixture(scope="module")
def text_engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    directory = tmp_path_factory.mktemp("text")
    tokenizer = byte_level("gpt-2")
    make(directory, "LlamaConfig", tokenizer, vocab_size=ROWS)
    with_extra_tokens(directory)
    return load_directory(TransformersEngine, directory, isq="none")


@pytest.fixture(scope="module")
def embedding_engine(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingEngine:
    directory = tmp_path_factory.mktemp("embedding")
    make(directory, "LlamaConfig", byte_level("gpt-2"), vocab_size=ROWS)
    config = transformers.BertConfig(
        vocab_size=ROWS, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    with_extra_tokens(directory)
    return load_directory(EmbeddingEngine, directory)


def with_extra_tokens(directory: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    assert len(tokenizer) <= ROWS
    tokenizer.add_tokens([f"<|unused{i}|>" for i in range(ROWS - len(tokenizer))])
    tokenizer.add_tokens([EXTRA], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids(EXTRA) == ROWS
    tokenizer.save_pretrained(directory)


def complete(prompt: str | list[int], **sampling: Any) -> CompletionRequest:
    return CompletionRequest(prompt, Sampling(temperature=0.0, max_tokens=12, **sampling))


GOOD = complete("The quick brown")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (complete([1, ROWS]), f"id {ROWS} in 'prompt' is not in .* {ROWS} tokens"),
        (complete([1, -1]), "id -1 in 'prompt' is not in"),
        (complete([1, 2**31 - 1]), "is not in"),
        (complete(f"a {EXTRA}"), f"extra.* is token {ROWS} of the tokenizer"),
        (ChatRequest([{"role": "user", "content": EXTRA}]), "extra"),
        (complete("a", logit_bias={ROWS: 1.0}), "in 'logit_bias' is not in"),
        (complete("a", logit_bias={-1: 1.0}), "is not in"),
        (complete("a", stop_token_ids=[ROWS]), "in 'stop_token_ids' is not in"),
    ],
)
def test_a_token_beyond_the_embedding_is_refused(
    text_engine: TransformersEngine, request_: Request, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        text_engine.prepare(1, request_)


@pytest.mark.parametrize("value", [[ROWS], [-1], f"a {EXTRA}"])
def test_a_token_beyond_the_embedding_is_not_embedded(
    embedding_engine: EmbeddingEngine, value: str | list[int]
) -> None:
    with pytest.raises(InvalidParameter, match="token"):
        embedding_engine.prepare(1, EmbeddingRequest(["good", value]))


def test_a_schema_works_with_a_tokenizer_that_is_larger_than_the_model(
    text_engine: Engine[Any],
) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    closed = Constraint("json_schema", schema | {"additionalProperties": False})
    constrained = complete("The quick brown", constraint=closed)
    [alone] = run(text_engine, GOOD)
    for request in (constrained, constrained):
        beside, [*_, finished] = run(text_engine, GOOD, request)
        assert finished.finish_reason in ("stop", "length")
        assert text_of(beside) == text_of(alone)
    [items] = run(text_engine, constrained)
    assert text_of(items).lstrip().startswith("{")


def test_a_vocabulary_without_byte_tokens_is_refused(tmp_path: Path) -> None:
    """llama.cpp ends the process at a character that is not in such a vocabulary."""
    path = tmp_path / "model.gguf"
    directory = make(tmp_path / "llama", "LlamaConfig", spm_bpe(prefix=True))
    convert(directory, path, lambda _value: None)
    load = Load("gguf", (str(path),), LoadParameters(num_ctx=64))
    engine = LlamaCppEngine.load(load, lambda _value: None)
    assert engine.prepare(1, CompletionRequest("\u4e2d\x01"))
    path.write_bytes(path.read_bytes().replace(b"<0xE4>", b"<1xE4>"))
    with pytest.raises(ModelLoadFailed, match="byte 0xE4"):
        LlamaCppEngine.load(load, lambda _value: None)
