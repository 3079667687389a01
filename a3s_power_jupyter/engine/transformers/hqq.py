"""Half-quadratic quantization of a loaded model's linear layers, by the package `hqq`.

https://mobiusml.github.io/hqq_blog: groups of 64 weights along a row share scale and zero.
transformers 5.23 does not quantize so on load ("not available yet"), hence on the loaded model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

GROUP_SIZE = 64

#: Up to how many bits HQQ's search for better scales pays. With 8, rounding alone is as near to the
#: weights as their own 16 bits are, and the search took nine tenths of the load.
OPTIMIZED_BITS = 4

#: Bits for each ISQ kind; llama.cpp's kinds get the next packing that there is here.
BITS = {"HQQ4": 4, "HQQ8": 8, "Q4_0": 4, "Q4K": 4, "Q6K": 8, "Q8_0": 8}


def quantize(
    model: nn.Module, bits: int, dtype: torch.dtype, progress: Callable[[float], None]
) -> None:
    """Replace linear layers in place, one after the other; head and embeddings stay as they are,
    and so do layers whose rows are no multiple of the group."""
    from hqq.core.quantize import BaseQuantizeConfig, HQQBackend, HQQLinear

    config = BaseQuantizeConfig(nbits=bits, group_size=GROUP_SIZE, axis=1)
    config["weight_quant_params"]["optimize"] = bits <= OPTIMIZED_BITS
    HQQLinear.set_backend(HQQBackend.PYTORCH)
    found = _linears(model)
    for done, (parent, name, linear) in enumerate(found, start=1):
        device = str(linear.weight.device)
        setattr(parent, name, HQQLinear(linear, config, compute_dtype=dtype, device=device))
        progress(done / len(found))


def _linears(model: nn.Module) -> list[tuple[Any, str, nn.Linear]]:
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child is not head and child.in_features % GROUP_SIZE == 0
    ]
