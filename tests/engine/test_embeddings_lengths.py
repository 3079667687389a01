"""Test texts at and beyond the limit of a model, alone and beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from a3s_power_jupyter.contract.errors import ContextLengthExceeded
from a3s_power_jupyter.contract.types import EmbeddingRequest
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.tiny_embeddings import SMALL, embed, load, tiny, write

ROWS = 34
LONG = "The quick brown fox jumps over the lazy dog. " * 20
ROPE = {"num_key_value_heads": 2, "head_dim": 16}

#: Configuration, its settings, and the number of tokens of a text with that many positions.
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "BertConfig": ({}, ROWS),
    "RobertaConfig": ({"pad_token_id": 1}, ROWS - 2),
    "RobertaPreLayerNormConfig": ({"pad_token_id": 0}, ROWS - 1),
    "XLMRobertaConfig": ({"pad_token_id": 1}, ROWS - 2),
    "XLMRobertaXLConfig": ({"pad_token_id": 1}, ROWS - 2),
    "CamembertConfig": ({"pad_token_id": 1}, ROWS - 2),
    "MPNetConfig": ({"pad_token_id": 0}, ROWS - 2),
    "Data2VecTextConfig": ({"pad_token_id": 1}, ROWS - 2),
    "IBertConfig": ({"pad_token_id": 1}, ROWS - 2),
    "LongformerConfig": ({"pad_token_id": 1, "attention_window": [4, 4]}, ROWS - 2),
    "XmodConfig": ({"pad_token_id": 1, "default_language": "en_XX"}, ROWS - 2),
    "DistilBertConfig": ({"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96}, ROWS),
    "ElectraConfig": ({"embedding_size": 64}, ROWS),
    "Qwen3Config": (ROPE, ROWS),
}


def make(directory: Path, name: str, settings: dict[str, Any]) -> Path:
    sizes = SMALL if name != "DistilBertConfig" else {"vocab_size": SMALL["vocab_size"]}
    config = getattr(transformers, name)(**{**sizes, "max_position_embeddings": ROWS, **settings})
    tiny(directory, config, pooling={"pooling_mode_mean_tokens": True})
    write(directory / "sentence_bert_config.json", {"max_seq_length": None})
    return directory


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_of_any_length_can_be_cut_and_embedded(tmp_path: Path, name: str) -> None:
    """The limit is that of the model's table of positions, here and in the catalog.

    A text that is too long is refused, unless the request says which part of it to leave out.
    """
    settings, limit = FAMILIES[name]
    directory = make(tmp_path / "m", name, settings)
    engine = load(directory)
    assert engine.info.num_ctx == limit
    assert describe_directory(directory, "huggingface").context_length == limit
    texts: list[Any] = ["A short text.", LONG, [5] * (limit + 1), "x"]
    alone = [embed(engine, EmbeddingRequest([text], truncate="end"))[0][0] for text in texts]
    together = embed(
        engine, EmbeddingRequest([*texts], truncate="end"), EmbeddingRequest(["A short text."])
    )
    assert np.abs(np.stack(alone) - together[0]).max() < 1e-5
    assert np.abs(alone[0] - together[1][0]).max() < 1e-5
    [cut] = embed(engine, EmbeddingRequest([[5] * limit]))
    assert np.abs(cut[0] - alone[2]).max() < 1e-5
    for text in texts[1:3]:
        with pytest.raises(ContextLengthExceeded, match=f"is {limit} tokens") as caught:
            engine.prepare(1, EmbeddingRequest(["x", text]))
        assert caught.value.param == "input[1]"


def test_a_stated_length_holds_unless_there_are_fewer_positions(tmp_path: Path) -> None:
    """A rotary embedding has no last position."""
    table = make(tmp_path / "table", "RobertaConfig", {"pad_token_id": 1})
    rotary = make(tmp_path / "rotary", "Qwen3Config", ROPE)
    for directory, expected in ((table, 32), (rotary, 100)):
        write(directory / "sentence_bert_config.json", {"max_seq_length": 100})
        engine = load(directory)
        assert engine.info.num_ctx == expected
        embed(engine, EmbeddingRequest([LONG], truncate="start"))
    assert load(rotary, num_ctx=16).info.num_ctx == 16
    assert load(table, num_ctx=4096).info.num_ctx == 32


def test_a_model_without_any_limit(tmp_path: Path) -> None:
    config = transformers.T5Config(
        d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, vocab_size=408, pad_token_id=0
    )
    directory = tiny(tmp_path / "m", config, pooling={"pooling_mode_mean_tokens": True})
    write(directory / "sentence_bert_config.json", {})
    engine = load(directory)
    assert engine.info.num_ctx == 8192
    embed(engine, EmbeddingRequest([LONG]))
