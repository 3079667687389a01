"""Check that the caches of a model can be joined into a batch."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from ...contract.errors import ModelLoadFailed
from ..base import first_line
from .model import LoadedModel
from .states import new_cache


def require_joinable_cache(model: LoadedModel) -> None:
    """Check a model's cache by computing one token.

    Raises
    ------
    ModelLoadFailed
        If the model is recurrent or hybrid, or the computation fails.
    """
    require_attention_layers(model)
    cache = new_cache()
    inputs = {"input_ids": torch.tensor([[0]], device=model.placement.device)}
    try:
        model.forward(inputs, cache)
    except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise ModelLoadFailed(
            f"The model failed to compute a token: {first_line(error)}."
        ) from error
    if not _can_join(cache):
        raise _other_cache()


def require_attention_layers(model: LoadedModel) -> None:
    """Raise `ModelLoadFailed` if a model is recurrent or hybrid."""
    if not _has_only_attention_layers(model.model.config):
        raise _other_cache()


def _other_cache() -> ModelLoadFailed:
    return ModelLoadFailed(
        "This model does not cache keys and values in every layer. Recurrent and hybrid models can "
        "only run as GGUF: register a GGUF file of the model."
    )


def _has_only_attention_layers(config: Any) -> bool:
    """Whether a model caches keys and values in every layer, unlike recurrent and hybrid models."""
    kinds = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in kinds for layer in DynamicCache(config=config).layers)


def _can_join(cache: Any) -> bool:
    """Whether a filled cache consists of keys and values only, so that rows can be joined."""
    return bool(cache.layers) and all(
        getattr(layer, "keys", None) is not None and layer.keys.dim() == 4 for layer in cache.layers
    )
