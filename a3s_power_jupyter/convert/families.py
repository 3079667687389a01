"""Model families that can be converted, with the metadata and tensor changes of each.

A family raises `CannotConvert` for any setting that llama.cpp and transformers would compute
differently. The tests compare the logits of every family with transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import gguf
import numpy as np
import numpy.typing as npt

from .config import Config
from .exceptions import CannotConvert
from .tensors import Transform, interleave_halves

Writer: TypeAlias = gguf.GGUFWriter
Arch = gguf.MODEL_ARCH
#: Tensors that are computed rather than read from the checkpoint, by name: rotary factors.
ComputedTensors = dict[str, npt.NDArray[np.float32]]

_ACTIVATIONS = {"silu": ("silu", "swish"), "gelu": ("gelu_pytorch_tanh",)}


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes
    ----------
    arch : gguf.MODEL_ARCH
        llama.cpp's architecture.
    write : callable
        Writes the metadata specific to the family, and returns computed tensors. Raises
        `CannotConvert` if a setting is not supported.
    permuted : bool
        Whether the rows of query and key projections are reordered by `interleave_halves`.
    norm_offset : float
        Added to the weights of norms.
    activation : str
        Activation function of the feed-forward layers.
    ignored : tuple of str
        Name suffixes of tensors that are not written.
    """

    arch: gguf.MODEL_ARCH
    write: Callable[[Config, Writer], ComputedTensors]
    permuted: bool = False
    norm_offset: float = 0.0
    activation: str = "silu"
    ignored: tuple[str, ...] = field(default=("rotary_emb.inv_freq",))

    def check(self, config: Config) -> None:
        """Check the settings that all families have in common.

        Raises
        ------
        CannotConvert
            If a setting is not supported.
        """
        if config.get("quantization_config"):
            raise CannotConvert("its weights are already quantized")
        config.require("hidden_act", *_ACTIVATIONS[self.activation])
        config.require("hidden_activation", *_ACTIVATIONS[self.activation])
        config.require("partial_rotary_factor", 1, 1.0)

    def transform(self, name: str, config: Config) -> Transform | None:
        """Return the transform for the tensor of this name, if any."""
        if self.permuted and ".self_attn.q_proj." in name:
            return interleave_halves(config.heads)
        if self.permuted and ".self_attn.k_proj." in name:
            return interleave_halves(config.kv_heads)
        return None

    def offset(self, name: str) -> float:
        """Return the number to add to the tensor of this name."""
        return self.norm_offset if name.endswith("norm.weight") else 0.0


def write_common(config: Config, writer: Writer) -> None:
    """Write the metadata that all families have."""
    writer.add_context_length(config.integer("max_position_embeddings"))
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.integer("intermediate_size"))
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.number("rms_norm_eps"))


def write_rope(config: Config, writer: Writer, layer_type: str | None = None) -> ComputedTensors:
    """Write the rotary embedding: default, linear, yarn or llama3.

    Raises
    ------
    CannotConvert
        If its type or one of its settings is not supported.
    """
    rope = config.rope(layer_type)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    kind = rope["rope_type"]
    if kind == "default":
        return {}
    if kind == "llama3":
        return {"rope_freqs.weight": _llama3_factors(config, rope)}
    if kind not in ("linear", "yarn"):
        raise CannotConvert(f"the rotary embedding {kind!r} is not supported for {config.family}")
    writer.add_rope_scaling_factor(float(rope["factor"]))
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        return {}
    unsupported = [k for k in ("attention_factor", "mscale", "mscale_all_dim") if rope.get(k)]
    if rope.get("truncate") is False:
        unsupported.append("truncate")
    if unsupported:
        raise CannotConvert(f"the settings {unsupported} of yarn are not supported")
    trained = rope.get("original_max_position_embeddings")
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_orig_ctx_len(int(trained or config.integer("max_position_embeddings")))
    writer.add_rope_scaling_yarn_beta_fast(float(rope.get("beta_fast") or 32))
    writer.add_rope_scaling_yarn_beta_slow(float(rope.get("beta_slow") or 1))
    return {}


def _llama3_factors(config: Config, rope: dict[str, float]) -> npt.NDArray[np.float32]:
    """Return the divisors of the rotary frequencies; shape (head_dim / 2,).

    A divisor is 1 for short wavelengths, `factor` for long ones, and interpolated in between as in
    transformers' ``_compute_llama3_parameters``.
    """
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    trained, factor = float(rope["original_max_position_embeddings"]), float(rope["factor"])
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    wavelength = 2 * math.pi * float(rope["rope_theta"]) ** exponents
    smooth = np.clip((trained / wavelength - low) / (high - low), 0.0, 1.0)
    return (1.0 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def _llama(config: Config, writer: Writer) -> ComputedTensors:
    config.require("pretraining_tp", 1)
    return write_rope(config, writer)


def _mistral(config: Config, writer: Writer) -> ComputedTensors:
    _limit_context_to_window(config, writer)
    return write_rope(config, writer)


def _limit_context_to_window(config: Config, writer: Writer) -> None:
    """Limit the context to the sliding window, if the model has one.

    llama.cpp's `llama` architecture has no sliding window, and its `phi3` computes one differently.
    Within the window, all of them attend to all previous tokens.
    """
    window = config.get("sliding_window")
    if isinstance(window, int) and window < config.integer("max_position_embeddings"):
        writer.kv_data[0].pop(gguf.Keys.LLM.CONTEXT_LENGTH.format(arch=writer.arch))
        writer.add_context_length(window)


def _qwen(config: Config, writer: Writer) -> ComputedTensors:
    config.require("use_sliding_window", False)
    return write_rope(config, writer)


def _smollm3(config: Config, writer: Writer) -> ComputedTensors:
    """Check that every fourth layer has no rotary embedding, as llama.cpp hard-codes."""
    layers = config.get("no_rope_layers", [])
    expected = [int((layer + 1) % 4 != 0) for layer in range(config.layers)]
    if layers != expected or config.get("use_sliding_window"):
        raise CannotConvert("its layers without rotary embeddings are not every fourth layer")
    return write_rope(config, writer)


def _gemma2(config: Config, writer: Writer) -> ComputedTensors:
    _require_scale(config)
    _require_layer_types(config, lambda layer: layer % 2 == 1)
    writer.add_attn_logit_softcapping(config.number("attn_logit_softcapping"))
    writer.add_final_logit_softcapping(config.number("final_logit_softcapping"))
    writer.add_sliding_window(config.integer("sliding_window"))
    return write_rope(config, writer)


def _gemma3(config: Config, writer: Writer) -> ComputedTensors:
    _require_scale(config)
    _require_layer_types(config, lambda layer: layer % 6 == 5)
    config.require("attn_logit_softcapping")
    config.require("final_logit_softcapping")
    config.require("use_bidirectional_attention", False)
    local = config.rope("sliding_attention")
    base = config.get("rope_local_base_freq", local["rope_theta"])
    if local["rope_type"] != "default":
        raise CannotConvert("its local layers have a scaled rotary embedding")
    writer.add_rope_freq_base_swa(float(base))
    writer.add_sliding_window(config.integer("sliding_window"))
    return write_rope(config, writer, "full_attention")


def _require_scale(config: Config) -> None:
    """Check the query scale: llama.cpp uses the head size, except in the 27B models."""
    scalar = config.number("query_pre_attn_scalar", float(config.head_dim))
    if scalar != config.head_dim:
        raise CannotConvert(f"query_pre_attn_scalar is {scalar:g}, not the head size")


def _require_layer_types(config: Config, full: Callable[[int], bool]) -> None:
    types = config.get("layer_types")
    expected = [
        "full_attention" if full(layer) else "sliding_attention" for layer in range(config.layers)
    ]
    if types is not None and types != expected:
        raise CannotConvert("its order of local and global layers is not supported for its family")


def _phi3(config: Config, writer: Writer) -> ComputedTensors:
    _limit_context_to_window(config, writer)
    rope = config.rope()
    if rope["rope_type"] not in ("longrope", "su"):
        return write_rope(config, writer)
    return _longrope(config, writer, rope)


def _longrope(config: Config, writer: Writer, rope: dict[str, Any]) -> ComputedTensors:
    """Write a longrope embedding and return the divisors of its frequencies.

    llama.cpp uses the short divisors up to the trained length and the long ones beyond. The default
    attention factor is sqrt(1 + ln(scale) / ln(trained length)).
    """
    maximum = config.integer("max_position_embeddings")
    trained = int(
        config.get("original_max_position_embeddings")
        or rope.get("original_max_position_embeddings")
        or maximum
    )
    scale = maximum / trained
    attention = rope.get("attention_factor")
    if attention is None:
        attention = math.sqrt(1 + math.log(scale) / math.log(trained)) if scale > 1 else 1.0
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_rope_scaling_orig_ctx_len(trained)
    writer.add_rope_scaling_attn_factors(float(attention))
    return {
        f"rope_factors_{kind}.weight": np.asarray(rope[f"{kind}_factor"], np.float32)
        for kind in ("long", "short")
    }


FAMILIES = {
    "llama": Family(Arch.LLAMA, _llama, permuted=True),
    "mistral": Family(Arch.LLAMA, _mistral, permuted=True),
    "qwen2": Family(Arch.QWEN2, _qwen),
    "qwen3": Family(Arch.QWEN3, _qwen),
    "smollm3": Family(Arch.SMOLLM3, _smollm3, permuted=True),
    "gemma2": Family(Arch.GEMMA2, _gemma2, norm_offset=1.0, activation="gelu"),
    "gemma3_text": Family(Arch.GEMMA3, _gemma3, norm_offset=1.0, activation="gelu"),
    "phi3": Family(Arch.PHI3, _phi3),
}


def family_of(config: Config) -> Family:
    """Return the family of a model.

    Raises
    ------
    CannotConvert
        If the family or a setting is not supported.
    """
    family = FAMILIES.get(config.family)
    if family is None:
        raise CannotConvert(
            f"the family {config.family!r} is not supported (supported: "
            f"{', '.join(sorted(FAMILIES))})"
        )
    family.check(config)
    return family
