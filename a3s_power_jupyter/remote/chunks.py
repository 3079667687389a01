"""Read the streams of upstreams as the items of an engine. They are untrusted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..contract.errors import UpstreamError
from ..contract.field_errors import explain
from ..contract.types import (
    Delta,
    Finished,
    FinishReason,
    GenerationItem,
    Started,
    Timings,
    TokenLogprob,
    ToolCallDelta,
)
from ..contract.usage import read_usage

T = TypeVar("T")

#: Most calls in an answer, and characters of an answer.
MAX_CALLS = 1024
MAX_CHARACTERS = 64 * 1024 * 1024

#: What OpenAI's and other APIs call the ends of answers. Other words mean that it is complete.
_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
#: Ends of answers that are not complete.
_FAILURES = {
    "content_filter": "The upstream's content filter ended the answer.",
    "abort": "The upstream aborted the answer. Try again.",
    "error": "The upstream failed during the reply.",
}

_Byte = Annotated[int, Meta(ge=0, le=255)]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Alternative(msgspec.Struct):
    token: str
    logprob: float | None = None
    bytes: list[_Byte] | None = None


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: _Logprobs | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None


def checked(value: Any, type_: type[T]) -> T:
    """Convert a part of an upstream's reply.

    Raises
    ------
    UpstreamError
        If it has another form.
    """
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise UpstreamError(
            f"The upstream's reply is not that of an OpenAI-compatible API: "
            f"{explain(value, type_, error).message}"
        ) from None


class ChunkReader:
    """Reads the chunks of one answer: of a chat, or of a completion.

    Parameters
    ----------
    clock : callable
        Returns seconds. The timings of the answer are those of its chunks.
    alternatives : int
        Most alternatives of a token with log probabilities.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, alternatives: int = 20
    ) -> None:
        self._clock = clock
        self._alternatives = alternatives
        self._began = clock()
        self._first: float | None = None
        self._last = self._began
        self._started = False
        self._calls: list[tuple[int | None, str]] = []  # the upstream's index and id of each
        self._is_calling = False  # whether the last call may have further parts
        self._ids: set[str] = set()
        self._usage = read_usage(None)
        self._reason: str | None = None
        self._stop: str | None = None
        self._characters = 0

    def read(self, event: dict[str, Any]) -> list[GenerationItem]:
        """Return the items of a chunk.

        Raises
        ------
        UpstreamError
            If the chunk has another form, or says that the answer has failed.
        """
        chunk = checked(event, _Chunk)
        if chunk.usage is not None:
            self._usage = read_usage(chunk.usage)
        items = self._start()
        if chunk.choices:
            choice = chunk.choices[0]
            self._reason = choice.finish_reason or self._reason
            if self._reason in _FAILURES:
                raise UpstreamError(_FAILURES[self._reason])
            if isinstance(choice.stop_reason, str):
                self._stop = choice.stop_reason
            delta = self._delta(choice)
            if delta.text or delta.reasoning or delta.tool_calls or delta.logprobs:
                items.append(delta)
        return items

    def end(self) -> list[GenerationItem]:
        """Return the last items, once the stream has ended."""
        reason = _REASONS.get(self._reason or "", "stop")
        if self._calls and reason == "stop":  # as many servers say after calls
            reason = "tool_calls"
        elif not self._calls and reason == "tool_calls":
            reason = "stop"
        usage = self._usage
        first = self._last if self._first is None else self._first
        return [
            *self._start(),
            Finished(
                finish_reason=reason,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
                timings=Timings(
                    prompt_n=usage.prompt_tokens - usage.cached_tokens,
                    prompt_ms=1000 * (first - self._began),
                    predicted_n=usage.completion_tokens,
                    predicted_ms=1000 * (self._last - first),
                    cache_n=usage.cached_tokens,
                ),
                reasoning_tokens=usage.reasoning_tokens,
                stop=self._stop if reason == "stop" else None,
            ),
        ]

    def _start(self) -> list[GenerationItem]:
        """Return `Started` once. Its counts are 0 if the upstream gives them at the end."""
        if self._started:
            return []
        self._started = True
        return [Started(self._usage.prompt_tokens, self._usage.cached_tokens)]

    def _delta(self, choice: _Choice) -> Delta:
        delta = choice.delta or _Delta()
        text = (choice.text or "") + (delta.content or "") + (delta.refusal or "")
        reasoning = delta.reasoning_content or delta.reasoning or ""
        self._is_calling = self._is_calling and not text and not reasoning
        item = Delta(
            text=text,
            reasoning=reasoning,
            tool_calls=[
                part for call in delta.tool_calls or () if (part := self._call(call)) is not None
            ],
            logprobs=_logprobs(choice.logprobs, self._alternatives),
            tokens=0,  # known at the end only
        )
        arguments = sum(len(call.arguments) for call in item.tool_calls)
        self._characters += len(item.text) + len(item.reasoning) + arguments
        if self._characters > MAX_CHARACTERS:
            raise UpstreamError(
                f"The upstream's answer is longer than {MAX_CHARACTERS:,} characters."
            )
        self._last = self._clock()
        if self._first is None:
            self._first = self._last
        return item

    def _call(self, call: _Call) -> ToolCallDelta | None:
        """Return a part of a call, or None if nothing is in it."""
        function = call.function or _Function()
        arguments = function.arguments or ""
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        position = self._position(call)
        if position is not None:
            if not arguments:
                return None
            if not self._is_calling or position != len(self._calls) - 1:
                raise UpstreamError("The upstream continued a call that had ended.")
            return ToolCallDelta(position, arguments=arguments)
        if not function.name:
            raise UpstreamError("The upstream sent a call of a function without its name.")
        if len(self._calls) >= MAX_CALLS:
            raise UpstreamError(f"The upstream's answer has more than {MAX_CALLS:,} calls.")
        self._calls.append((call.index, call.id or ""))
        id_ = call.id
        if not id_ or id_ in self._ids:
            id_ = f"call_{secrets.token_hex(12)}"
        self._ids.add(id_)
        self._is_calling = True
        return ToolCallDelta(len(self._calls) - 1, id_, function.name, arguments)

    def _position(self, call: _Call) -> int | None:
        """Return the position of the call that `call` continues, or None if it is a new one.

        Some servers omit the index, or give each call the index 0. A name with another id, or
        without an id, then begins a call.
        """
        named = call.function is not None and bool(call.function.name)
        for position in reversed(range(len(self._calls))):
            index, id_ = self._calls[position]
            if call.index is None or call.index == index:
                return position if not named or (call.id and call.id == id_) else None
        return None


def _logprobs(logprobs: _Logprobs | None, alternatives: int) -> list[TokenLogprob] | None:
    if logprobs is None or logprobs.content is None:
        return None
    return [
        TokenLogprob(
            token.token,
            _bytes(token),
            token.logprob,
            [
                (one.token, _bytes(one), one.logprob or 0.0)
                for one in (token.top_logprobs or ())[:alternatives]
            ],
        )
        for token in logprobs.content
    ]


def _bytes(token: _Alternative) -> list[int]:
    return [*token.token.encode()] if token.bytes is None else token.bytes
