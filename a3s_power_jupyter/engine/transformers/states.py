"""The caches of the first tokens of requests, which other requests can start from.

A model's cache is only kept if it has the keys and values of every token in every layer. Such a
cache can be cut after any token. `new_cache` makes one for all attention layers, also for those
with a sliding window; recurrent and hybrid models are refused when they are loaded.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Layer:
    """Keys and values, each of shape (1, heads, tokens, size), and the device they are used on."""

    keys: Tensor
    values: Tensor
    device: torch.device


@dataclass(frozen=True)
class KvState:
    """The keys and values of the first tokens of one request.

    The tensors are never changed, because a `DynamicLayer` makes new ones when it adds tokens.
    Several requests can therefore start from the same state without a copy.
    """

    layers: tuple[Layer, ...]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return int(self.layers[0].keys.shape[2])

    @property
    def nbytes(self) -> int:
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers)

    @property
    def finite(self) -> bool:
        """Whether there is no NaN. One in any layer spreads to the last layer."""
        last = self.layers[-1]
        return bool(last.keys.isfinite().all() and last.values.isfinite().all())

    def cut(self, length: int) -> KvState:
        """Return the state of the first tokens only. It shares the memory of this one."""
        return KvState(
            tuple(
                Layer(layer.keys[:, :, :length], layer.values[:, :, :length], layer.device)
                for layer in self.layers
            )
        )

    def on_host(self) -> KvState:
        """Return this state in host memory, without other memory that a view would keep."""
        return KvState(
            tuple(Layer(_own(one.keys), _own(one.values), one.device) for one in self.layers)
        )

    def to_cache(self) -> Any:
        """Return a cache for a request that starts from this state."""
        cache = new_cache()
        for state in self.layers:
            layer = DynamicLayer()
            keys, values = state.keys.to(state.device), state.values.to(state.device)
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
            cache.layers.append(layer)
        return cache


@dataclass(frozen=True)
class Tokens:
    """The first tokens of a request, which another request can start from.

    Attributes
    ----------
    tokens : array of int
        The tokens, with the contents of images in place of their tokens (`Prompt.key`).
    steady : int
        Leading tokens that were computed in whole chunks (`ActiveRequest.steady`).
    base : int
        Leading tokens that were computed together, because they contain images (`Prompt.base`).
    """

    tokens: array[int]
    steady: int
    base: int

    def steady_length(self, length: int, chunk: int) -> int:
        """Return how many of the first `length` tokens were computed in whole chunks."""
        if min(length, self.steady) < self.base:
            return 0
        return self.base + (min(length, self.steady) - self.base) // chunk * chunk


@dataclass(frozen=True)
class Prefix(Tokens):
    """The first tokens of a request with their cache.

    Attributes
    ----------
    offset : Tensor or None
        Positions of the next token minus the number of tokens, in families where an image takes
        fewer positions than tokens.
    """

    offset: Any
    state: KvState

    def cut(self, length: int, chunk: int) -> Prefix:
        """Return the first `length` tokens, which contain all images or none."""
        steady = self.steady_length(length, chunk)
        base, offset = (0, None) if length < self.base else (self.base, self.offset)
        return Prefix(self.tokens[:length], steady, base, offset, self.state.cut(length))


def state_of(cache: Any, length: int, row: int = 0, width: int = 0) -> KvState | None:
    """Return the state of one request; None if the cache is of a kind that cannot be cut.

    Parameters
    ----------
    length : int
        Number of tokens of the request, each of which must be in each layer.
    row, width : int
        Row of a joint cache, and its number of columns. It is padded on the left.
    """
    if not length or not all(_holds(layer, width or length) for layer in cache.layers):
        return None
    return KvState(
        tuple(
            Layer(
                layer.keys[row : row + 1, :, -length:],
                layer.values[row : row + 1, :, -length:],
                layer.keys.device,
            )
            for layer in cache.layers
        )
    )


def new_cache() -> Any:
    """Return a cache that keeps every token of every layer.

    Sliding windows are left to the attention mask, because rows of different lengths cannot be cut
    at the same column.
    """
    return DynamicCache()


def _holds(layer: Any, width: int) -> bool:
    """Return whether a layer has keys and values for each of `width` columns."""
    if type(layer) is not DynamicLayer or not layer.is_initialized:
        return False
    return all(t.dim() == 4 and t.shape[2] == width for t in (layer.keys, layer.values))


def _own(tensor: Tensor) -> Tensor:
    """Return a tensor on the host without the memory around it that a view would keep."""
    if tensor.device.type != "cpu":
        return tensor.cpu()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
