"""The state of a request that generates text, shared by the engines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

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
from .checks import check_finite
from .logprobs import PromptScores
from .stopwatch import Stopwatch
from .text_stream import TextStream

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
    scores : PromptScores or None
        The log probabilities of the prompt, if they were requested.
    started : bool
        True once the items that precede the text have been returned.
    finished : bool
        True once the final item has been returned.
    answer : Answer or None
        Divides the text of a chat's answer; None if all of it is content.
    token_to_text : callable
        Returns the bytes of a token, also of a special one.
    stop_token : str or None
        The stop string that is the special token with which the model ended the answer.
    """

    id: int
    prompt: list[int]
    sampling: Sampling
    sampler: S
    text: TextStream
    max_tokens: int
    end_tokens: Collection[int]
    token_to_text: Callable[[int], bytes]
    echo: str | None = None
    scores: PromptScores | None = None
    num_cached_tokens: int = 0
    num_computed_tokens: int = 0
    num_output_tokens: int = 0
    num_sent_tokens: int = 0
    next_token: int | None = None
    started: bool = False
    finished: bool = False
    logprobs: list[TokenLogprob] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    answer: Answer | None = None
    stop_token: str | None = None

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
        token_to_text: Callable[[int], bytes],
        answer: Answer | None = None,
    ) -> Generation[S]:
        """Create the generation for a request with a tokenized prompt.

        Parameters
        ----------
        token_to_text : callable
            Returns the bytes of a token, also of a special one.
        """
        sampling = request.sampling
        max_tokens = num_ctx - len(prompt)
        if sampling.max_tokens is not UNSET:
            max_tokens = min(sampling.max_tokens, max_tokens)
        echo = _echo(request, token_to_text)
        scores = None
        if echo is not None and sampling.logprobs is not UNSET:
            scores = PromptScores.of(prompt, echo, sampling.logprobs, token_to_text)
        return cls(
            id=id_,
            prompt=prompt,
            sampling=sampling,
            sampler=sampler,
            text=TextStream(() if sampling.stop is UNSET else sampling.stop),
            max_tokens=max_tokens,
            end_tokens=end_tokens,
            token_to_text=token_to_text,
            echo=echo,
            scores=scores,
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

    @property
    def reusable(self) -> int:
        """Number of tokens of the prompt that need not be computed if an earlier request has."""
        return len(self.prompt) if self.scores is None else self.scores.reusable

    def needed_logits(self, start: int, end: int) -> range:
        """Return the tokens of the prompt, from `start` to `end`, of which the logits are needed.

        The logits after the last token are always needed.
        """
        return range(0) if self.scores is None else self.scores.needed(start, end)

    def score(self, logits: Iterable[tuple[int, npt.NDArray[Any]]]) -> list[Item]:
        """Return the items to send for tokens of the prompt with their logits.

        Raises
        ------
        ModelProducesNaN
            If logits are not finite.
        """
        if self.scores is None:
            return []
        rows = list(logits)
        for _, row in rows:
            check_finite(row)  # before anything counts as sent, because the request may start again
        items = self._first_items()
        scored = [self.scores.add(index, row) for index, row in rows]
        return [*items, Delta("", scored, tokens=0)] if scored else items

    def end_unsampled(self) -> list[Item]:
        """Finish a request for no tokens once its prompt is computed, and return the items."""
        self.stopwatch.token()
        return self._first_items() + self._finish("length")

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

    def accept_eos(self, token: int, logprob: TokenLogprob | None = None) -> list[Item]:
        """Finish at a sampled token of `end_tokens`, and return the items to send.

        The token is not part of the text. After the log probabilities of a prompt it is listed
        too, because programs that score prompts leave out the last token of an answer of one.
        """
        items = self._sampled(token)
        if logprob is not None and self.scores is not None:
            self.logprobs.append(logprob)
        if self.sampling.stop is not UNSET:
            text = self.token_to_text(token).decode("utf-8", "replace")
            self.stop_token = text if text in self.sampling.stop else None
        return items + self._finish("stop")

    def _sampled(self, token: int) -> list[Item]:
        """Note a sampled token, and return the items that precede the first one."""
        self.next_token = token
        self.stopwatch.token()
        return self._first_items()

    def _first_items(self) -> list[Item]:
        """Return the items that precede the text, once."""
        if self.started:
            return []
        self.started = True
        items: list[Item] = [self._progress()] if self.sampling.return_progress else []
        items.append(Started(len(self.prompt), self.num_cached_tokens))
        if self.echo is not None:
            first = None if self.scores is None else self.scores.first()
            items.append(Delta(self.echo, first, tokens=0))
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
        stop = self.text.stopped_by or self.stop_token
        if self.answer is None:
            return [*self._delta(rest), Finished(reason, *usage, self.timings, stop=stop)]
        items = self._part(self.answer.finish(rest))
        if reason == "stop" and self.answer.called:
            reason, stop = "tool_calls", self.text.stopped_by  # a call ends with the answer
        thoughts = self.answer.reasoning_tokens
        return [*items, Finished(reason, *usage, self.timings, thoughts, stop)]


def _echo(
    request: ChatRequest | CompletionRequest, token_to_text: Callable[[int], bytes]
) -> str | None:
    if isinstance(request, ChatRequest) or not request.echo:
        return None
    if isinstance(request.prompt, str):
        return request.prompt
    return b"".join(map(token_to_text, request.prompt)).decode("utf-8", "replace")
