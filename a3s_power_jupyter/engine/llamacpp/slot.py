"""One place in the engine's batch: a sequence of the KV cache and the request that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..generation import Generation
from .sampler import Sampler


@dataclass
class Slot:
    """`tokens` are what the KV cache of sequence `seq` holds, in order; they stay after a
    request ends, and the next request with the same beginning starts from there."""

    seq: int
    tokens: list[int] = field(default_factory=list)
    generation: Generation[Sampler] | None = None
    used: int = 0

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
