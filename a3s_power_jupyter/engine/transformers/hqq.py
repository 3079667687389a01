"""Quantize the linear layers of a loaded model with half-quadratic quantization (HQQ).

https://mobiusml.github.io/hqq_blog: groups of 64 weights in a row share a scale and a zero point.
transformers 5.24 cannot do this while it loads a model ("not available yet").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..base import ProgressCallback

GROUP_SIZE = 64

#: Highest number of bits for which HQQ optimizes the scales. At 8 bits, rounding alone is as close
#: to the weights as 16-bit rounding, and the optimization took 90 % of the load time.
OPTIMIZED_BITS = 4

#: ISQ kind -> bits per weight. llama.cpp's kinds use the closest number of bits available here.
BITS = {"HQQ4": 4, "HQQ8": 8, "Q4_0": 4, "Q4K": 4, "Q6K": 8, "Q8_0": 8}


def quantize(model: nn.Module, bits: int, dtype: torch.dtype, progress: ProgressCallback) -> None:
    """Replace the linear layers of a model in place.

    The head, the embeddings, and layers with a row length that is not a multiple of the group size
    are not quantized.
    """
    from hqq.core.quantize import BaseQuantizeConfig, HQQBackend, HQQLinear

    config = BaseQuantizeConfig(nbits=bits, group_size=GROUP_SIZE, axis=1)
    config["weight_quant_params"]["optimize"] = bits <= OPTIMIZED_BITS
    HQQLinear.set_backend(HQQBackend.PYTORCH)
    linears = _linears(model)
    for count, (parent, name, linear) in enumerate(linears, start=1):
        device = str(linear.weight.device)
        setattr(parent, name, HQQLinear(linear, config, compute_dtype=dtype, device=device))
        progress(count / len(linears))


def _linears(model: nn.Module) -> list[tuple[Any, str, nn.Linear]]:
    """Return the layers to replace, each with its parent module and its name there."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child is not head and child.in_features % GROUP_SIZE == 0
    ]
