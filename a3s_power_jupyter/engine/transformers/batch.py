"""The KV cache of all requests that generate: one tensor a layer, a row for each request.

Rows are as long as the longest one, padded on the left: the mask hides the padding, and explicit
positions count from a row's own first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class Batch:
    """Rows of one joined cache; row i belongs to the caller's i-th request."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.cache: Any = None
        self.lengths: list[int] = []

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def width(self) -> int:
        """Tokens of the longest row."""
        return max(self.lengths, default=0)

    def join(self, cache: Any, length: int) -> None:
        """Add a request as the last row; `cache` is its own, with `length` tokens."""
        if self.cache is None:
            self.cache = cache
        else:
            width = max(self.width, length)
            for mine, theirs in zip(self.cache.layers, cache.layers, strict=True):
                mine.keys = torch.cat([_padded(mine.keys, width), _padded(theirs.keys, width)])
                mine.values = torch.cat(
                    [_padded(mine.values, width), _padded(theirs.values, width)]
                )
        self.lengths.append(length)

    def leave(self, row: int) -> None:
        """Drop a row, and the padding that nobody needs any more."""
        keep = [at for at in range(len(self)) if at != row]
        before = self.width
        self.lengths = [self.lengths[at] for at in keep]
        if not keep:
            self.cache = None
            return
        cut = before - self.width
        rows = torch.tensor(keep, device=self._device)
        for layer in self.cache.layers:
            layer.keys = layer.keys.index_select(0, rows.to(layer.keys.device))[:, :, cut:]
            layer.values = layer.values.index_select(0, rows.to(layer.values.device))[:, :, cut:]

    def inputs(self, tokens: Sequence[int]) -> dict[str, Tensor]:
        """What the model is given to read one more token of each row."""
        width = self.width + 1
        columns = torch.arange(width, device=self._device)
        first = torch.tensor([width - 1 - length for length in self.lengths], device=self._device)
        inputs = {
            "input_ids": torch.tensor(tokens, device=self._device).unsqueeze(1),
            "attention_mask": (columns >= first.unsqueeze(1)).long(),
            "position_ids": torch.tensor(self.lengths, device=self._device).unsqueeze(1),
        }
        self.lengths = [length + 1 for length in self.lengths]
        return inputs


def new_cache() -> Any:
    """A cache that keeps every token of every layer: a sliding window is a matter of the mask,
    since rows of different lengths could not be cut at one place."""
    return DynamicCache()


def fits(config: Any) -> bool:
    """Whether a model of this config remembers keys and values in every layer, and nothing else:
    recurrent and hybrid ones have layers of other kinds."""
    kinds = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in kinds for layer in DynamicCache(config=config).layers)


def is_plain(cache: Any) -> bool:
    """Whether the cache is keys and values only, so that rows can be joined."""
    return bool(cache.layers) and all(
        getattr(layer, "keys", None) is not None and layer.keys.dim() == 4 for layer in cache.layers
    )


def _padded(tensor: Tensor, width: int) -> Tensor:
    """`tensor` of shape (rows, heads, tokens, size) with `width` tokens, zeros in front."""
    missing = width - tensor.shape[2]
    return tensor if missing == 0 else torch.nn.functional.pad(tensor, (0, 0, missing, 0))
