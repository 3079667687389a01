"""Read from a `config.json` of transformers what the memory of a model depends on."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ...contract.types import Geometry
from .description import positive_int
from .positions import position_count

#: Kinds of layers in `layer_types` that keep keys and values.
_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}


def read_geometry(config: dict[str, Any]) -> Geometry:
    """Return the geometry of the language model, which is ``text_config`` in vision models.

    `weights` is 0, because `config.json` does not state it.
    """
    nested = config.get("text_config")
    text = nested if isinstance(nested, dict) else config
    layers = min(_number(text, "num_hidden_layers"), 1 << 12)
    width, heads = _number(text, "hidden_size"), _number(text, "num_attention_heads")
    kinds = _kinds(text, layers)
    cached = _cached(text, heads, width)
    window = _number(text, "sliding_window")
    windowed = sum(kind in ("sliding_attention", "chunked_attention") for kind in kinds)
    if not window:
        windowed = 0
    attending = sum(kind in _ATTENTION for kind in kinds)
    vocabulary = _number(text, "vocab_size")
    length = position_count(text)
    forward = max(_number(text, "intermediate_size"), _number(text, "moe_intermediate_size"))
    return Geometry(
        layers=layers,
        width=width,
        activations=4 * width + 3 * forward,
        heads=heads,
        cache=(attending - windowed) * cached,
        window=window if windowed else 0,
        window_cache=windowed * cached,
        vocabulary=vocabulary,
        texts=2 * vocabulary,
        context_length=0 if length is UNSET else length,
    )


def _number(config: dict[str, Any], key: str) -> int:
    value = positive_int(config.get(key))
    return 0 if value is UNSET else value


def _kinds(text: dict[str, Any], layers: int) -> list[str]:
    kinds = text.get("layer_types")
    if isinstance(kinds, list) and len(kinds) == layers:
        return [str(kind) for kind in kinds]
    return ["full_attention"] * layers


def _cached(text: dict[str, Any], heads: int, width: int) -> int:
    """Return the number of values that a layer keeps for each token."""
    if not heads:
        return 0
    if _number(text, "kv_lora_rank"):  # multi-head latent attention, kept as keys and values
        key = _number(text, "qk_nope_head_dim") + _number(text, "qk_rope_head_dim")
        return heads * (key + _number(text, "v_head_dim"))
    length = _number(text, "head_dim") or width // heads
    return (_number(text, "num_key_value_heads") or heads) * 2 * length
