"""Test that a conversion uses all tensors of a checkpoint as transformers does, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers

from a3s_power_jupyter.convert.config import Config
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.convert.exceptions import CannotConvert
from a3s_power_jupyter.convert.expected import HEAD, expected_tensors, is_tied
from a3s_power_jupyter.convert.families import FAMILIES
from a3s_power_jupyter.convert.verification import verify_tokens
from a3s_power_jupyter.engine.llamacpp.backend import install_log
from support import tiny_models
from support.tiny_models import altered, byte_level, make

Tensors = dict[str, torch.Tensor]
TOKENS = [1, 5, 9, 300, 20]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    install_log()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("convert"), "LlamaConfig", byte_level("gpt-2"))


def converted(directory: Path) -> Path:
    target = directory / "model.gguf"
    convert(directory, target, lambda _value: None)
    return target


@pytest.mark.parametrize(
    ("family", "biases"), [("llama", True), *((family, False) for family in FAMILIES)]
)
def test_the_expected_tensors_are_those_of_transformers(family: str, biases: bool) -> None:
    settings = {"attention_bias": True, "mlp_bias": True} if biases else {}
    sizes = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0,
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(family, **sizes, **settings)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    values = {**sizes, **settings, "model_type": family}
    assert set(model.state_dict()) == expected_tensors(Config(values)) | {HEAD}
    assert is_tied(Config(values)) == config.tie_word_embeddings


def with_equal_head(tensors: Tensors) -> Tensors:
    return tensors | {HEAD: tensors["model.embed_tokens.weight"].clone()}


def without(part: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name: tensors[name] for name in tensors if part not in name}


def renamed(tensors: Tensors) -> Tensors:
    return {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}


TIED = {"tie_word_embeddings": True}

#: Change of the tensors, new settings, and whether the file has a head of its own.
USED: dict[str, tuple[Callable[[Tensors], Tensors], dict[str, Any], bool]] = {
    "a tied model with another head": (dict, TIED, True),
    "a tied model with the same head": (with_equal_head, TIED, False),
    "a tied model without a head": (without("lm_head"), TIED, False),
    "a tied model without an embedding": (without("embed_tokens"), TIED, False),
    "a model that is not tied with the same head": (with_equal_head, {}, True),
    "a compiled model": (renamed, {}, True),
}


@pytest.mark.parametrize("case", USED)
def test_the_head_is_that_of_transformers(llama: Path, tmp_path: Path, case: str) -> None:
    change, settings, own_head = USED[case]
    directory = altered(llama, tmp_path / "m", change, **settings)
    model = converted(directory)
    names = {tensor.name for tensor in gguf.GGUFReader(model).tensors}
    assert ("output.weight" in names) == own_head
    if case != "a compiled model":
        expected = tiny_models.logits(directory, TOKENS)
    else:
        expected = tiny_models.logits(llama, TOKENS)
    actual = tiny_models.llama_logits(model, TOKENS)
    assert np.abs(actual - expected).max() < 2e-3 * np.abs(expected).max()


#: Change of the tensors, new settings, and what the reason names.
REFUSED: dict[str, tuple[Callable[[Tensors], Tensors], dict[str, Any], str]] = {
    "no head": (without("lm_head"), {}, "lack the tensors lm_head"),
    "no head, nothing said": (
        without("lm_head"), {"tie_word_embeddings": None}, "lack the tensors lm_head",
    ),
    "a missing tensor": (without("1.mlp.up_proj"), {}, r"layers\.1\.mlp\.up_proj"),
    "a missing norm": (without("model.norm"), {}, r"model\.norm"),
    "a norm that no layer has": (without("input_layernorm"), {}, "input_layernorm"),
    "a missing layer": (dict, {"num_hidden_layers": 3}, r"layers\.2.*and 6 more"),
    "a layer too many": (dict, {"num_hidden_layers": 1}, r"does not account for.*layers\.1"),
    "a bias": (
        lambda tensors: tensors | {"model.layers.0.self_attn.q_proj.bias": torch.ones(64)},
        {},
        "does not account for.*q_proj",
    ),
    "another head": (
        lambda tensors: tensors | {"score.weight": torch.ones(2, 64)}, {}, "score",
    ),
    "an embedding without rows": (
        lambda tensors: tensors | {"model.embed_tokens.weight": torch.ones(())}, {}, "shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_tensors_that_do_not_fit_are_named(llama: Path, tmp_path: Path, case: str) -> None:
    change, settings, reason = REFUSED[case]
    with pytest.raises(CannotConvert, match=reason):
        converted(altered(llama, tmp_path / "m", change, **settings))


def set_ends(directory: Path, *tokens: int) -> None:
    text = str(list(tokens))
    (directory / "generation_config.json").write_text(f'{{"eos_token_id": {text}}}')


def test_all_tokens_that_end_an_answer_are_known(llama: Path, tmp_path: Path) -> None:
    """GGUF has keys for three; llama.cpp recognizes others only by their text."""
    directory = altered(llama, tmp_path / "m")
    set_ends(directory, 2, 300, 301)
    verify_tokens(directory, converted(directory))
    set_ends(directory, 2, 300, 301, 302)
    with pytest.raises(CannotConvert, match=r"\[302\]"):
        verify_tokens(directory, converted(directory))
