"""Fix the frequencies of rotary positions that would depend on the length of a request.

With "longrope" and "dynamic", transformers chooses the frequencies by the last position in each
batch. Keys in the cache may then have other frequencies than the next query, and a long request
would change the answers of the short ones beside it.
"""

from __future__ import annotations

from typing import Any

import torch


def fix_frequencies(model: Any, num_ctx: int) -> None:
    """Use the frequencies for `num_ctx` tokens for all requests, as llama.cpp and vLLM do."""
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        if isinstance(kinds, dict):  # by kind of layer
            for layer_type, kind in kinds.items():
                if _depends_on_length(kind):
                    _update(module, num_ctx, layer_type=layer_type)
                    kinds[layer_type] = "fixed"
        elif isinstance(kinds, str) and _depends_on_length(kinds):
            _update(module, num_ctx)
            module.rope_type = "fixed"


def _depends_on_length(kind: str) -> bool:
    """Return the condition of transformers' ``dynamic_rope_update``."""
    return "dynamic" in kind or kind == "longrope"


def _update(module: Any, num_ctx: int, **layer_type: str) -> None:
    """Let a module choose its frequencies by computing the last position."""
    device = next(module.buffers()).device
    with torch.no_grad():
        module(
            torch.zeros(1, device=device),
            torch.tensor([[num_ctx - 1]], device=device),
            **layer_type,
        )
