"""A request for text that is under way in an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from msgspec import UNSET

from ..contract.types import Delta, Finished, FinishReason, Sampling, TokenLogprob
from .text import TextStream

S = TypeVar("S")


@dataclass
class Generation(Generic[S]):
    """A request under way.

    `prompt` are its tokens; `done` of them are in the KV cache. `next_token` was sampled and is
    not in the cache yet.
    """

    id: int
    prompt: list[int]
    sampling: Sampling
    sampler: S
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
