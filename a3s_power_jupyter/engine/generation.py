"""The state of a request that generates text, shared by the engines."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from msgspec import UNSET
from msgspec.structs import replace

from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Finished,
    FinishReason,
    Item,
    Reading,
    Sampling,
    Started,
    Timings,
    TokenLogprob,
)
from .chat.answer import Answer
from .stopwatch import Stopwatch
from .text_stream import TextStream

#: Log probability of a token that the model gives no probability, as in the OpenAI API.
IMPOSSIBLE = -9999.0

S = TypeVar("S")


@dataclass
class Generation(Generic[S]):
    """A request that generates text.

    Attributes
    ----------
    prompt : list of int
        Token ids of the prompt.
    num_computed_tokens : int
        Prompt tokens that are in the KV cache.
    num_cached_tokens : int
        Prompt tokens that an earlier request left in the KV cache.
    next_token : int or None
        The last sampled token, which is not in the KV cache yet. None during prefill.
    num_sent_tokens : int
        Output tokens that are part of the text returned so far.
    end_tokens : collection of int
        Tokens that end the answer.
    finished : bool
        True once the final item has been returned.
    answer : Answer or None
        Divides the text of a chat's answer; None if all of it is content.
    """

    id: int
    prompt: list[int]
    sampling: Sampling
    sampler: S
    text: TextStream
    max_tokens: int
    end_tokens: Collection[int]
    echo: str = ""
    num_cached_tokens: int = 0
    num_computed_tokens: int = 0
    num_output_tokens: int = 0
    num_sent_tokens: int = 0
    next_token: int | None = None
    finished: bool = False
    logprobs: list[TokenLogprob] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    answer: Answer | None = None

    @classmethod
    def from_request(
        cls,
        id_: int,
        request: ChatRequest | CompletionRequest,
        prompt: list[int],
        sampler: S,
        *,
        num_ctx: int,
        end_tokens: Collection[int],
        token_to_piece: Callable[[int], bytes],
        answer: Answer | None = None,
    ) -> Generation[S]:
        """Create the generation for a request with a tokenized prompt."""
        sampling = request.sampling
        max_tokens = num_ctx - len(prompt)
        if sampling.max_tokens is not UNSET:
            max_tokens = min(sampling.max_tokens, max_tokens)
        return cls(
            id=id_,
            prompt=prompt,
            sampling=sampling,
            sampler=sampler,
            text=TextStream(() if sampling.stop is UNSET else sampling.stop),
            max_tokens=max_tokens,
            end_tokens=end_tokens,
            echo=_echo(request, token_to_piece),
            answer=answer,
        )

    @property
    def prefilling(self) -> bool:
        return self.next_token is None

    @property
    def timings(self) -> Timings:
        """The timings so far."""
        return Timings(
            prompt_n=len(self.prompt) - self.num_cached_tokens,
            prompt_ms=self.stopwatch.prompt_ms,
            predicted_n=self.num_output_tokens,
            predicted_ms=self.stopwatch.predicted_ms,
            cache_n=self.num_cached_tokens,
        )

    def begin(self, num_cached_tokens: int = 0) -> None:
        """Start to read the prompt, or start again, after the tokens that are cached."""
        self.num_cached_tokens = self.num_computed_tokens = num_cached_tokens
        self.stopwatch.begin()

    def reading(self) -> list[Item]:
        """Return the items to send after a step that has read a part of the prompt."""
        wanted = self.sampling.return_progress and self.prefilling
        return [self._progress()] if wanted and self.stopwatch.report_is_due() else []

    def _progress(self) -> Reading:
        cached = self.num_cached_tokens
        return Reading(self.num_computed_tokens, len(self.prompt), cached, self.stopwatch.prompt_ms)

    def accept(self, token: int, piece: bytes, logprob: TokenLogprob | None) -> list[Item]:
        """Add a sampled token and return the items to send for it.

        Parameters
        ----------
        piece : bytes
            The token's contribution to the text, possibly part of a character.
        """
        items = self._sampled(token)
        self.num_output_tokens += 1
        if self.answer is None:
            if logprob is not None:
                self.logprobs.append(logprob)
            items += self._delta(self.text.push(piece))
        else:
            text = self.text.push(self.answer.piece(token, piece))
            self.answer.add_token(self.text.length, logprob)
            items += self._part(self.answer.push(text, self.text.held))
        if self.text.stopped or (self.answer is not None and self.answer.done):
            return items + self._finish("stop")
        if self.num_output_tokens >= self.max_tokens:
            return items + self._finish("length")
        return items

    def accept_eos(self, token: int) -> list[Item]:
        """Finish at a sampled token of `end_tokens`, and return the items to send."""
        return self._sampled(token) + self._finish("stop")

    def _sampled(self, token: int) -> list[Item]:
        """Note a sampled token, and return the items that precede the first one."""
        is_first = self.prefilling
        self.next_token = token
        self.stopwatch.token()
        return self._first_items() if is_first else []

    def _first_items(self) -> list[Item]:
        items: list[Item] = [self._progress()] if self.sampling.return_progress else []
        items.append(Started(len(self.prompt), self.num_cached_tokens))
        if self.echo:
            items.append(Delta(self.echo, tokens=0))
        return items

    def _delta(self, text: str) -> list[Item]:
        """Return the text as a Delta with the log-probabilities collected since the last one."""
        wants_logprobs = self.sampling.logprobs is not UNSET
        if not text and not (wants_logprobs and self.logprobs):
            return []
        logprobs, self.logprobs = self.logprobs, []
        return [self._counted(Delta(text, logprobs if wants_logprobs else None))]

    def _part(self, delta: Delta | None) -> list[Item]:
        """Return a part of an answer that has more than content."""
        return [] if delta is None else [self._counted(delta)]

    def _counted(self, delta: Delta) -> Delta:
        """Add the number of tokens since the last Delta, and the timings if they are wanted."""
        tokens = self.num_output_tokens - self.num_sent_tokens
        self.num_sent_tokens = self.num_output_tokens
        timings = self.timings if self.sampling.timings_per_token else None
        return replace(delta, tokens=tokens, timings=timings)

    def _finish(self, reason: FinishReason) -> list[Item]:
        self.finished = True
        rest = self.text.finish()
        usage = len(self.prompt), self.num_output_tokens, self.num_cached_tokens
        if self.answer is None:
            return [*self._delta(rest), Finished(reason, *usage, self.timings)]
        items = self._part(self.answer.finish(rest))
        if reason == "stop" and self.answer.called:
            reason = "tool_calls"
        return [*items, Finished(reason, *usage, self.timings, self.answer.reasoning_tokens)]


def _echo(request: ChatRequest | CompletionRequest, token_to_piece: Callable[[int], bytes]) -> str:
    if isinstance(request, ChatRequest) or not request.echo:
        return ""
    if isinstance(request.prompt, str):
        return request.prompt
    return b"".join(map(token_to_piece, request.prompt)).decode("utf-8", "replace")


def token_logprob(
    logits: npt.NDArray[Any],
    token: int,
    top_logprobs: int,
    token_to_piece: Callable[[int], bytes],
) -> TokenLogprob:
    """Return the log-probability of a token and of the most likely tokens.

    They are computed before temperature and penalties are applied. Tokens without any probability
    are left out of the most likely ones.

    Parameters
    ----------
    logits : ndarray
        Shape (vocabulary,).
    top_logprobs : int
        Number of most likely tokens to include.
    """
    values = logits.astype(np.float64)
    peak = values.max()
    logprobs = values - (peak + np.log(np.exp(values - peak).sum()))
    count = min(top_logprobs, len(logprobs))
    best = np.argpartition(-logprobs, count - 1)[:count] if count else np.empty(0, int)
    best = best[np.argsort(-logprobs[best], kind="stable")]
    best = best[logprobs[best] > -np.inf]

    def text_and_bytes(token: int) -> tuple[str, list[int]]:
        raw = token_to_piece(token)
        return raw.decode("utf-8", errors="replace"), list(raw)

    top = [(*text_and_bytes(int(t)), float(logprobs[t])) for t in best]
    text, raw = text_and_bytes(token)
    return TokenLogprob(text, raw, max(float(logprobs[token]), IMPOSSIBLE), top)
