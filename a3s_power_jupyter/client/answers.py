"""Answers of a model: text with token counts and times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import InvalidParameter
from ..contract.text import quoted
from ..contract.types import Timings
from ..display import answer_line
from ..display.answer_parts import Call, Part, Text, Thoughts, markup
from .calls import ToolCall, WireCall, calls_of
from .replies import converted, decoded, invalid, timings_of
from .schemas import adapter, reasons
from .usage import Usage, usage_of

#: Time below which no engine generates tokens.
MIN_MILLISECONDS = 0.001


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[WireCall] | None = None


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
        Token counts. Those of an interrupted answer are what `timings` or the progress in the
        prompt tell; None without both.
    raw : dict
        JSON object of the reply; for a stream, its last chunk.
    timings : Timings or None
        Tokens that the engine computed and generated, and the time it took; None if an upstream
        does not tell. An interrupted answer has them only with ``timings_per_token``.
    first_token_seconds : float or None
        Seconds from the request to the first token; None if the answer was not streamed.
    seconds : float or None
        Seconds from the request to the end of the answer; None if it was not streamed.
    reasoning : str
        What the model thought before it answered. It is not part of the text.
    reasoning_seconds : float or None
        Seconds that it thought; None if the answer was not streamed.
    tool_calls : tuple of ToolCall
        The functions that the model asks to call.
    schema : object
        The schema or type that the request asked for; None for any text.
    """

    model: str
    finish_reason: str
    usage: Usage | None
    raw: dict[str, Any]
    timings: Timings | None
    first_token_seconds: float | None
    seconds: float | None
    reasoning: str
    reasoning_seconds: float | None
    tool_calls: tuple[ToolCall, ...]
    schema: Any

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
        reasoning: str = "",
        reasoning_seconds: float | None = None,
        tool_calls: tuple[ToolCall, ...] = (),
        schema: Any = None,
    ) -> Reply:
        reply = super().__new__(cls, text)
        reply.model = model
        reply.finish_reason = finish_reason
        reply.usage = usage
        reply.raw = raw or {}
        reply.timings = timings
        reply.first_token_seconds = first_token_seconds
        reply.seconds = seconds
        reply.reasoning = reasoning
        reply.reasoning_seconds = reasoning_seconds
        reply.tool_calls = tool_calls
        reply.schema = schema
        return reply

    @classmethod
    def from_json(cls, body: bytes, model: str, schema: Any = None) -> Reply:
        """Decode a reply. Raises `UpstreamError` if it is not as expected."""
        return cls.from_wire(decoded(body, dict[str, Any]), model, schema)

    @classmethod
    def from_wire(cls, wire: dict[str, Any], model: str, schema: Any = None) -> Reply:
        """Convert the first choice of a ``chat.completion`` or ``text_completion`` object."""
        completion = converted(wire, _Completion)
        choice = completion.choices[0]
        message = _Message() if choice.message is UNSET else choice.message
        text = choice.text if choice.message is UNSET else message.content
        if text is UNSET:
            raise invalid("choices[0] has neither a message nor a text")
        return cls(
            text or "",
            model,
            choice.finish_reason,
            Usage.from_wire(completion.usage) if completion.usage else None,
            wire,
            timings_of(completion.timings),
            reasoning=reasoning_of(message.reasoning_content, message.reasoning),
            tool_calls=calls_of(message.tool_calls),
            schema=schema,
        )

    @property
    def text(self) -> str:
        """The answer as a plain `str`."""
        return str(self)

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message of a conversation, with its thoughts and calls.

        An interrupted answer has no calls, because they may be incomplete.
        """
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.tool_calls and self.finish_reason != "interrupted":
            message["tool_calls"] = [call.wire for call in self.tool_calls]
        return message

    @property
    def parsed(self) -> Any:
        """The value of the JSON text: an object of the type that was given as ``schema``.

        For a JSON schema, or without a schema, it has dicts and lists.

        Raises
        ------
        InvalidParameter
            If the answer is not complete.
        UpstreamError
            If the text is not JSON, or an upstream ignored the schema.
        """
        if self.finish_reason in ("length", "interrupted"):
            raise InvalidParameter(
                "The answer is not complete, so it cannot be parsed. Raise max_tokens.",
                param="max_tokens",
            )
        try:
            if self.schema is None or isinstance(self.schema, (dict, bool)):
                return json.loads(self)
            return adapter(self.schema).validate_json(self)
        except RecursionError:
            raise invalid("the answer is nested too deeply") from None
        except ValueError as error:
            raise invalid(f"the answer does not match the schema ({reasons(error)})") from None

    @property
    def parts(self) -> Iterator[Part]:
        """The thoughts, the text and the calls, for displays."""
        if self.reasoning:
            yield Thoughts(self.reasoning, self.reasoning_seconds)
        if self:
            yield Text(self.text)
        for call in self.tool_calls:
            yield Call(call.name, call.arguments_json)

    @property
    def statistics(self) -> str:
        """The tokens and the speed in one line; empty if nothing is known.

        It says if the answer was interrupted, and how long it took if the tokens are not known.
        """
        counts = self._counts
        if self.finish_reason != "interrupted":
            return counts
        if counts:
            return f"interrupted · {counts}"
        return answer_line.interrupted(self.seconds, self.first_token_seconds)

    @property
    def _counts(self) -> str:
        timings = self.timings
        usage = self.usage or usage_of(timings)
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

    def __repr__(self) -> str:
        fields = [super().__repr__()]
        if self.reasoning:
            fields.append(f"reasoning={quoted(self.reasoning)}")
        if self.tool_calls:
            fields.append(f"tool_calls=[{', '.join(map(str, self.tool_calls))}]")
        return fields[0] if len(fields) == 1 else f"{type(self).__name__}({', '.join(fields)})"

    def _repr_html_(self) -> str:
        return markup(self.parts) + answer_line.markup(self.statistics)


def reasoning_of(*values: Any) -> str:
    """Return the thoughts, which upstreams send under several names; anything else is ignored."""
    return next((value for value in values if isinstance(value, str) and value), "")


def _tokens_per_second(timings: Timings | None) -> float | None:
    """Return the speed; None for a single token, and for times that no engine can need."""
    if timings is None or timings.predicted_n < 2 or timings.predicted_ms < MIN_MILLISECONDS:
        return None
    return timings.predicted_per_second
