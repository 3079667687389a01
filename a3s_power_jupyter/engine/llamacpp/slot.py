"""One place in the engine's batch: a sequence of the KV cache and the request that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..generation import Generation
from .sampler import Sampler


@dataclass
class Picture:
    """An image of a prompt: mtmd's chunk, and as how many tokens it counts."""

    chunk: Any
    tokens: int


@dataclass
class Prompt:
    """`tokens` of a request, and its `images` by the index of their first token. `owner` holds
    the memory of their chunks."""

    tokens: list[int]
    images: dict[int, Picture] = field(default_factory=dict)
    owner: Any = None

    def before_image(self, index: int) -> int:
        """`index`, or the first token of the image that it is in the middle of."""
        for start, image in self.images.items():
            if start < index < start + image.tokens:
                return start
        return index


@dataclass
class Slot:
    """`tokens` are what the KV cache of sequence `seq` holds, in order; they stay after a
    request ends, and the next request with the same beginning starts from there.

    `positions` are those of the tokens, and `past` is the next one: an image may take fewer
    positions than it has tokens. `prompt` is that of the request under way.
    """

    seq: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    past: int = 0
    prompt: Prompt = field(default_factory=lambda: Prompt([]))
    generation: Generation[Sampler] | None = None
    used: int = 0

    def cut(self, keep: int) -> None:
        """Forget all but the first `keep` tokens."""
        if keep < len(self.tokens):
            self.past = self.positions[keep]
        del self.tokens[keep:], self.positions[keep:]

    def append(self, tokens: Sequence[int], after: int) -> None:
        """Note that `tokens` are in the cache now, and `after` is the next position. Those of an
        image all have its first position."""
        self.tokens += tokens
        self.positions += [self.past] * len(tokens)
        self.past = after

    def common_prefix(self, prompt: list[int]) -> int:
        """How many leading tokens of `prompt` the cache already holds."""
        # Compared in slices: C speed, which matters for prompts of 100,000 tokens.
        low, high = 0, min(len(self.tokens), len(prompt))
        while low < high:
            middle = (low + high + 1) // 2
            if self.tokens[low:middle] == prompt[low:middle]:
                low = middle
            else:
                high = middle - 1
        return low
