"""Answers of a model: text with token counts and times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.types import Timings
from ..display import answer_line
from ..display.markup import from_markdown
from .replies import Count, converted, decoded, invalid, timings_of

#: Time below which no engine generates tokens.
MIN_MILLISECONDS = 0.001


class Usage(msgspec.Struct, frozen=True):
    """Token counts of an answer.

    Attributes
    ----------
    prompt_tokens : int
        Number of tokens in the prompt.
    completion_tokens : int
        Number of generated tokens.
    cached_tokens : int
        Number of prompt tokens that were found in the prefix cache.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Usage:
        """Convert OpenAI's ``usage`` object."""
        usage = converted({"usage": wire}, _WithUsage).usage
        details = usage.prompt_tokens_details
        cached = None if details is None else details.cached_tokens
        return cls(usage.prompt_tokens, usage.completion_tokens or 0, cached or 0)


class _Details(msgspec.Struct):
    cached_tokens: Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: Count
    completion_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None


class _WithUsage(msgspec.Struct):
    usage: _Usage


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    finish_reason: str
    message: _Message | UnsetType = UNSET
    text: str | UnsetType | None = UNSET


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], Meta(min_length=1)]
    usage: dict[str, Any] | None = None
    timings: Any = None


class Reply(str):
    """Text of an answer: a `str` with metadata.

    Attributes
    ----------
    model : str
        Name of the model.
    finish_reason : str
        ``"stop"``, ``"length"``, ``"tool_calls"``, or ``"interrupted"`` for a stream that was
        closed before its end.
    usage : Usage or None
        Token counts; None if the answer was interrupted.
    raw : dict
        JSON object of the reply; for a stream, its last chunk.
    timings : Timings or None
        Tokens that the engine computed and generated, and the time it took; None if an upstream
        does not tell. An interrupted answer has them only with ``timings_per_token``.
    first_token_seconds : float or None
        Seconds from the request to the first token; None if the answer was not streamed.
    seconds : float or None
        Seconds from the request to the end of the answer; None if it was not streamed.
    """

    model: str
    finish_reason: str
    usage: Usage | None
    raw: dict[str, Any]
    timings: Timings | None
    first_token_seconds: float | None
    seconds: float | None

    def __new__(
        cls,
        text: str,
        model: str = "",
        finish_reason: str = "",
        usage: Usage | None = None,
        raw: dict[str, Any] | None = None,
        timings: Timings | None = None,
        first_token_seconds: float | None = None,
        seconds: float | None = None,
    ) -> Reply:
        reply = super().__new__(cls, text)
        reply.model = model
        reply.finish_reason = finish_reason
        reply.usage = usage
        reply.raw = raw or {}
        reply.timings = timings
        reply.first_token_seconds = first_token_seconds
        reply.seconds = seconds
        return reply

    @classmethod
    def from_json(cls, body: bytes, model: str) -> Reply:
        """Decode a reply. Raises `UpstreamError` if it is not as expected."""
        return cls.from_wire(decoded(body, dict[str, Any]), model)

    @classmethod
    def from_wire(cls, wire: dict[str, Any], model: str) -> Reply:
        """Convert the first choice of a ``chat.completion`` or ``text_completion`` object."""
        completion = converted(wire, _Completion)
        choice = completion.choices[0]
        text = choice.text if choice.message is UNSET else choice.message.content
        if text is UNSET:
            raise invalid("it has neither a message nor a text - at `$.choices[0]`")
        usage = Usage.from_wire(completion.usage) if completion.usage else None
        timings = timings_of(completion.timings)
        return cls(text or "", model, choice.finish_reason, usage, wire, timings)

    @property
    def text(self) -> str:
        """The answer as a plain `str`."""
        return str(self)

    @property
    def statistics(self) -> str:
        """The tokens and the speed in one line; empty if nothing is known."""
        timings = self.timings
        usage = self.usage or _usage_of(timings)
        if usage is None:
            return ""
        return answer_line.text(
            answer_line.Statistics(
                usage.completion_tokens,
                usage.prompt_tokens,
                usage.cached_tokens,
                tokens_per_second=_tokens_per_second(timings),
                first_token_seconds=self.first_token_seconds,
                seconds=self.seconds if timings is None else None,
            )
        )

    def _repr_html_(self) -> str:
        return from_markdown(self) + answer_line.markup(self.statistics)


def _usage_of(timings: Timings | None) -> Usage | None:
    """Return the counts of an answer that was interrupted."""
    if timings is None:
        return None
    return Usage(timings.prompt_n + timings.cache_n, timings.predicted_n, timings.cache_n)


def _tokens_per_second(timings: Timings | None) -> float | None:
    """Return the speed; None for a single token, and for times that no engine can need."""
    if timings is None or timings.predicted_n < 2 or timings.predicted_ms < MIN_MILLISECONDS:
        return None
    return timings.predicted_per_second
