"""Compute how many tokens a model has positions for, from its `config.json` or GGUF tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from .description import positive_int
from .gguf import Tensor

#: Settings with the number of positions. Only one of them is present.
_LENGTHS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length",
)  # fmt: skip

#: Families that number positions from the padding token's id + 1 on, as fairseq did. Their tables
#: have more rows than a text may have tokens: 514 for 512.
_OFFSET_FAMILIES = {
    "camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip

#: The padding token of these families, if `config.json` does not state it. MPNet always uses it.
_DEFAULT_PADDING = 1


def position_count(config: Mapping[str, Any]) -> int | UnsetType:
    """Return the number of tokens that a text may have; UNSET if it is not limited or unknown."""
    if "relative_attention_num_buckets" in config and "max_position_embeddings" not in config:
        return UNSET  # T5
    lengths = [positive_int(config.get(name)) for name in _LENGTHS]
    length = next((length for length in lengths if length is not UNSET), UNSET)
    family = str(config.get("model_type"))
    if length is UNSET or family not in _OFFSET_FAMILIES:
        return length
    padding = config.get("pad_token_id")
    if not isinstance(padding, int) or family == "mpnet":
        padding = _DEFAULT_PADDING
    return positive_int(length - padding - 1)


def gguf_position_count(tensors: Iterable[Tensor], embedding_length: int) -> int | UnsetType:
    """Return the number of rows in a GGUF model's table of positions; UNSET if it has none.

    llama.cpp ends the process if a text is longer.
    """
    for tensor in tensors:
        if tensor.name == "position_embd.weight":
            return positive_int(tensor.elements // embedding_length)
    return UNSET
