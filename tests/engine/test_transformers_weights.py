"""Test that a model's weights come from its files, or that the load fails and names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a3s_power_jupyter.contract.errors import ModelLoadFailed
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Format
from a3s_power_jupyter.engine import registry
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_models, tiny_vision
from support.tiny_models import altered, byte_level

Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors], Tensors]
PROMPT = {"input_ids": torch.tensor([[1, 5, 9, 42]])}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make(tmp_path_factory.mktemp("weights"), "LlamaConfig", byte_level("gpt-2"))


def load(directory: Path, format_: Format = "safetensors", isq: str = "none") -> Any:
    names = sorted(path.name for path in directory.iterdir())
    paths = tuple(str(directory / name) for name in names)
    parameters = LoadParameters(num_thread=1, isq=isq)
    message = Load(format_, paths, parameters, names=tuple(names))
    return registry.engine_class(format_).load(message, lambda _value: None)


def logits(engine: Any) -> Any:
    return engine._model.model(**PROMPT).logits.detach().numpy()


def renamed(prefix: str) -> Change:
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


def without(part: str) -> Change:
    return lambda tensors: {name: tensors[name] for name in tensors if part not in name}


def with_tensor(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Change:
    return lambda tensors: tensors | {name: torch.ones(shape, dtype=dtype)}


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_removed(llama: Path, tmp_path: Path, prefix: str) -> None:
    wrapped = load(altered(llama, tmp_path / "m", renamed(prefix)))
    assert np.array_equal(logits(wrapped), logits(load(llama)))


HARMLESS: dict[str, tuple[Change, dict[str, Any]]] = {
    "a tied head": (without("lm_head"), {"tie_word_embeddings": True}),
    "a tied embedding": (without("embed_tokens"), {"tie_word_embeddings": True}),
    "a computed buffer": (with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", 8), {}),
    "the model without its head's prefix": (
        lambda tensors: {name.removeprefix("model."): tensors[name] for name in tensors},
        {},
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_weights_that_are_complete_load(llama: Path, tmp_path: Path, case: str) -> None:
    change, config = HARMLESS[case]
    engine = load(altered(llama, tmp_path / "m", change, **config))
    assert engine.info.notes == ()
    if not config:
        assert np.array_equal(logits(engine), logits(load(llama)))


def test_another_head_is_not_used_and_noted(llama: Path, tmp_path: Path) -> None:
    engine = load(altered(llama, tmp_path / "m", with_tensor("score.weight", 2, 64)))
    assert np.array_equal(logits(engine), logits(load(llama)))
    assert engine.info.notes == ("Not used: the tensors score.weight of the model's files.",)


def nested(tensors: Tensors) -> Tensors:
    return {name.replace(".mlp", "._orig_mod.mlp"): tensor for name, tensor in tensors.items()}


#: Change of the tensors, change of the configuration, and what the error names.
WRONG: dict[str, tuple[Change, dict[str, Any], str]] = {
    "a wrapper of peft": (renamed("base_model.model."), {}, "lack 21 tensors.*base_model"),
    "a compiled part": (nested, {}, r"lack 6 tensors.*layers\.0\.mlp.*and 3 more.*_orig_mod"),
    "some names with a prefix": (
        lambda tensors: {n.replace("model.norm", "module.model.norm"): tensors[n] for n in tensors},
        {},
        r"lack 1 tensor that.*model\.norm\.weight",
    ),
    "one tensor": (without("1.mlp.up_proj"), {}, r"layers\.1\.mlp\.up_proj\.weight"),
    "the head": (without("lm_head"), {}, r"lm_head\.weight"),
    "both tied tensors": (
        lambda tensors: without("lm_head")(without("embed_tokens")(tensors)),
        {"tie_word_embeddings": True},
        r"embed_tokens\.weight",
    ),
    "a missing layer": (dict, {"num_hidden_layers": 3}, r"lack 9 tensors.*layers\.2\."),
    "a layer too many": (dict, {"num_hidden_layers": 1}, r"have 9 tensors.*layers\.1\."),
    "a bias": (
        with_tensor("model.layers.0.self_attn.q_proj.bias", 64),
        {},
        r"have 1 tensor that.*q_proj\.bias",
    ),
    "an adapter": (
        with_tensor("model.layers.0.self_attn.q_proj.lora_A.weight", 4, 64),
        {},
        "lora_A.*adapter",
    ),
    "another shape": (
        with_tensor("model.layers.0.mlp.up_proj.weight", 95, 64),
        {},
        r"up_proj\.weight is \(95, 64\) instead of \(96, 64\)",
    ),
    "another vocabulary": (dict, {"vocab_size": 500}, r"2 tensors.*lm_head\.weight is \(408, 64\)"),
    "packed numbers": (
        with_tensor("model.layers.0.mlp.up_proj.weight", 96, 64, dtype=torch.int8),
        {},
        r"up_proj\.weight \(I8\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_weights_that_do_not_fit_are_named(llama: Path, tmp_path: Path, case: str) -> None:
    change, config, message = WRONG[case]
    with pytest.raises(ModelLoadFailed, match=message):
        load(altered(llama, tmp_path / "m", change, **config))


def test_quantization_on_load_does_not_hide_a_missing_tensor(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="up_proj"):
        load(altered(llama, tmp_path / "m", without("1.mlp.up_proj")), isq="HQQ8")


def test_vision_models_are_checked(tmp_path: Path) -> None:
    whole = tiny_vision.make(tmp_path / "llava", "llava")
    compiled = load(altered(whole, tmp_path / "compiled", renamed("_orig_mod.")), "vision")
    assert np.array_equal(logits(compiled), logits(load(whole, "vision")))
    for part in ("multi_modal_projector.linear_2.weight", "vision_tower"):
        with pytest.raises(ModelLoadFailed, match=part):
            load(altered(whole, tmp_path / part, without(part)), "vision")
