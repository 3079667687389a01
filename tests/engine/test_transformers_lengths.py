"""Test prompts at the end of a model's table of positions, on transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.engine_runs import run
from support.items import counts
from support.tiny_models import byte_level, make

POSITIONS = 40

#: Configuration, its settings, and the number of tokens of a text with that many positions.
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "GPT2Config": ({}, POSITIONS),
    "OPTConfig": ({"word_embed_proj_dim": 64, "ffn_dim": 96}, POSITIONS),
    "BioGptConfig": ({}, POSITIONS),
    "GPTJConfig": ({"rotary_dim": 8}, POSITIONS),
    "GPTBigCodeConfig": ({}, POSITIONS),
    "RobertaConfig": ({"is_decoder": True, "pad_token_id": 1}, POSITIONS - 2),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_end_at_the_last_position(tmp_path: Path, family: str) -> None:
    settings, limit = FAMILIES[family]
    directory = make(
        tmp_path / "m", family, byte_level("gpt-2"), max_position_embeddings=POSITIONS, **settings
    )
    assert describe_directory(directory, "safetensors").context_length == limit
    names = sorted(path.name for path in directory.iterdir())
    message = Load(
        "safetensors",
        tuple(str(directory / name) for name in names),
        LoadParameters(num_thread=1, isq="none", num_ctx=4096),
        names=tuple(names),
    )
    engine = TransformersEngine.load(message, lambda _value: None)
    assert engine.info.num_ctx == limit
    endless = Sampling(
        temperature=0.0, logit_bias=dict.fromkeys(engine._model.eos_token_ids, -10000.0)
    )
    lists = run(engine, CompletionRequest([5, 9], endless), CompletionRequest([7] * 30, endless))
    for items, prompt in zip(lists, (2, 30), strict=True):
        assert counts(items[-1]) == ("length", prompt, limit - prompt, 0)
    with pytest.raises(ContextLengthExceeded, match=f"maximum context length is {limit} tokens"):
        engine.prepare(1, CompletionRequest([7] * limit))
