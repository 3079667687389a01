"""Name the tensors that a checkpoint of each family must have: those of its transformers class."""

from __future__ import annotations

from collections.abc import Collection

from .config import Config

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"

_ATTENTION = tuple(f"self_attn.{name}_proj" for name in "qkvo")
_FEED_FORWARD = tuple(f"mlp.{name}_proj" for name in ("gate", "up", "down"))
_NORMS = ("input_layernorm", "post_attention_layernorm")
_GEMMA_NORMS = (*_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")

#: Family -> modules of a layer, each with a weight.
_MODULES: dict[str, tuple[str, ...]] = {
    "llama": (*_NORMS, *_ATTENTION, *_FEED_FORWARD),
    "mistral": (*_NORMS, *_ATTENTION, *_FEED_FORWARD),
    "qwen2": (*_NORMS, *_ATTENTION, *_FEED_FORWARD),
    "qwen3": (*_NORMS, *_ATTENTION, *_FEED_FORWARD, *_HEAD_NORMS),
    "smollm3": (*_NORMS, *_ATTENTION, *_FEED_FORWARD),
    "gemma2": (*_GEMMA_NORMS, *_ATTENTION, *_FEED_FORWARD),
    "gemma3_text": (*_GEMMA_NORMS, *_ATTENTION, *_FEED_FORWARD, *_HEAD_NORMS),
    "phi3": (
        *_NORMS, "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj",
    ),
}  # fmt: skip

#: Setting of Llama -> modules of a layer that have a bias if it is true.
_LLAMA_BIASES = {"attention_bias": _ATTENTION, "mlp_bias": _FEED_FORWARD}

#: Families in which llama.cpp does not support these biases.
_WITHOUT_BIASES = {"smollm3", "qwen3", "gemma2", "gemma3_text"}

#: Families whose head is the embedding, unless `tie_word_embeddings` says otherwise.
_TIED = {"smollm3", "gemma2", "gemma3_text"}


def expected_tensors(config: Config) -> set[str]:
    """Return the names of all tensors except the head, which may be tied to the embedding.

    Raises
    ------
    CannotConvert
        If the model has biases that llama.cpp does not support.
    """
    modules = _MODULES[config.family]
    biased: list[str] = []
    for setting, with_bias in _LLAMA_BIASES.items():
        if config.family in _WITHOUT_BIASES:
            config.require(setting, False)
        if config.family == "llama" and config.get(setting):
            biased += with_bias
    if config.family == "qwen2":
        biased += _ATTENTION[:3]
    layer = [f"{module}.weight" for module in modules] + [f"{module}.bias" for module in biased]
    layers = {f"model.layers.{i}.{name}" for i in range(config.layers) for name in layer}
    return {EMBEDDING, "model.norm.weight"} | layers


def is_tied(config: Config) -> bool:
    """Return whether the head is the embedding, if the checkpoint does not have both."""
    return bool(config.get("tie_word_embeddings", config.family in _TIED))


def named(names: Collection[str]) -> str:
    """Return the first names and the number of the others."""
    first = ", ".join(sorted(names)[:3])
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
