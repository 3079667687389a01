"""Join the KV caches of all decoding requests: each layer has one row per request.

All rows have the width of the longest one. Shorter rows are padded on the left; the attention mask
hides the padding, and explicit positions count from each row's first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .states import KvState, state_of


class Batch:
    """A joint cache; row i belongs to the caller's i-th request.

    Attributes
    ----------
    lengths : list of int
        Number of tokens in each row.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.cache: Any = None
        self.lengths: list[int] = []

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def width(self) -> int:
        """Number of tokens in the longest row."""
        return max(self.lengths, default=0)

    def add(self, cache: Any, length: int) -> None:
        """Add a request as the last row, with its own cache of `length` tokens."""
        if self.cache is None:
            self.cache = cache
        else:
            width = max(self.width, length)
            for joint, own in zip(self.cache.layers, cache.layers, strict=True):
                joint.keys = torch.cat([_pad(joint.keys, width), _pad(own.keys, width)])
                joint.values = torch.cat([_pad(joint.values, width), _pad(own.values, width)])
        self.lengths.append(length)

    def remove(self, row: int) -> None:
        """Remove a row, and the padding that is no longer needed."""
        keep = [i for i in range(len(self)) if i != row]
        old_width = self.width
        self.lengths = [self.lengths[i] for i in keep]
        if not keep:
            self.cache = None
            return
        cut = old_width - self.width
        rows = torch.tensor(keep, device=self._device)
        for layer in self.cache.layers:
            layer.keys = layer.keys.index_select(0, rows.to(layer.keys.device))[:, :, cut:]
            layer.values = layer.values.index_select(0, rows.to(layer.values.device))[:, :, cut:]

    def state(self, row: int) -> KvState | None:
        """Return the state of a row, if it can be cut. It shares the memory of the joint cache."""
        return state_of(self.cache, self.lengths[row], row, self.width)

    def model_inputs(self, tokens: Sequence[int]) -> dict[str, Tensor]:
        """Return the model's inputs to append one token to each row, and update `lengths`."""
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


def _pad(tensor: Tensor, width: int) -> Tensor:
    """Pad a tensor of shape (rows, heads, tokens, size) on the left to `width` tokens."""
    missing = width - tensor.shape[2]
    return tensor if missing == 0 else torch.nn.functional.pad(tensor, (0, 0, missing, 0))
