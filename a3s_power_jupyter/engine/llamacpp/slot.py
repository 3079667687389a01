"""One place in the engine's batch: a sequence of the KV cache and the request that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import UNSET

from ...types import Delta, Finished, FinishReason, Sampling, TokenLogprob
from ..text import TextStream
from .sampler import Sampler


@dataclass
class Generation:
    """A request under way.

    `prompt` are its tokens; `done` of them are in the KV cache. `next_token` was sampled and is
    not in the cache yet.
    """

    id: int
    prompt: list[int]
    sampling: Sampling
    sampler: Sampler
    text: TextStream
    max_tokens: int
    echo: str = ""
    cached: int = 0
    done: int = 0
    generated: int = 0
    next_token: int | None = None
    started: bool = False
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def prefilling(self) -> bool:
        return self.next_token is None

    def delta(self, text: str) -> list[Delta | Finished]:
        """The text as a Delta, with the log-probabilities gathered since the last one."""
        wanted = self.sampling.logprobs is not UNSET
        if not text and not (wanted and self.logprobs):
            return []
        logprobs, self.logprobs = self.logprobs, []
        return [Delta(text, logprobs if wanted else None)]

    def finished(self, reason: FinishReason) -> list[Delta | Finished]:
        end = Finished(reason, len(self.prompt), self.generated, self.cached)
        return [*self.delta(self.text.finish()), end]


@dataclass
class Slot:
    """`tokens` are what the KV cache of sequence `seq` holds, in order; they stay after a
    request ends, and the next request with the same beginning starts from there."""

    seq: int
    tokens: list[int] = field(default_factory=list)
    generation: Generation | None = None
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
