"""Chat requests, and answers that are received while they are generated."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal

import msgspec

from ..contract.errors import ConnectionLost, InvalidParameter
from ..contract.types import Reading, Timings
from .answers import Reply, reasoning_of
from .calls import CollectedCalls, WireCall
from .connection import EventStream
from .replies import converted, reading_of, timings_of
from .results import line
from .schemas import response_format
from .tools import Tool, definitions, tool_choice
from .usage import Usage, usage_of

#: A question, or a conversation in the format of OpenAI's API.
Messages = str | Iterable[Mapping[str, Any]]

#: Receives the progress in reading the prompt.
ProgressCallback = Callable[[Reading], None]


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[WireCall] | None = None

    @property
    def thoughts(self) -> str:
        return reasoning_of(self.reasoning_content, self.reasoning)


class _ChunkChoice(msgspec.Struct):
    finish_reason: str | None = None
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    choices: list[_ChunkChoice] = []
    usage: dict[str, Any] | None = None
    timings: Any = None
    prompt_progress: Any = None


class Piece(msgspec.Struct, frozen=True):
    """What has been added to an answer.

    Attributes
    ----------
    kind : str
        ``"text"``, ``"reasoning"`` for thoughts, or ``"call"`` for a part of a call.
    text : str
        The added text, thoughts or JSON of arguments.
    """

    kind: Literal["text", "reasoning", "call"]
    text: str


class ChatStream:
    """Iterator over the text of an answer while it is generated.

    The iterator leaves thoughts and calls out; `pieces` has them, and `reply` at the end.

    Leaving the ``with`` block, `close` and a `KeyboardInterrupt` close the connection, which stops
    the generation in the server.

    Parameters
    ----------
    events : EventStream
        Events of the reply.
    model : str
        Name of the model.
    progress : callable, optional
        Called with each `Reading` while the iterator waits for the first text.
    started : float
        When the request was sent, as `time.monotonic` returns it.
    schema : object
        The schema or type of the answer.
    """

    def __init__(
        self,
        events: EventStream,
        model: str,
        progress: ProgressCallback | None = None,
        *,
        started: float,
        schema: Any = None,
    ) -> None:
        self._model = model
        self._events = events
        self._progress = progress
        self._started = started
        self._schema = schema
        self._pieces = self._read()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._thinking: tuple[float, float] | None = None  # from and to
        self._calls = CollectedCalls()
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._timings: Timings | None = None
        self._reading: Reading | None = None
        self._thought_tokens = 0
        self._first_token_seconds: float | None = None
        self._seconds: float | None = None
        self._last: dict[str, Any] = {}

    def __repr__(self) -> str:
        state = self._finish_reason or "iterate over it to get the text"
        return line(f"ChatStream of {self._model}", [state])

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next piece of text, and skip thoughts and calls.

        Raises
        ------
        PowerError
            If the generation fails.
        ConnectionLost
            If the connection is closed before the answer is complete.
        """
        return next(piece.text for piece in self._pieces if piece.kind == "text")

    def pieces(self) -> Iterator[Piece]:
        """Iterate over everything that is added to the answer. Raises as the iterator does."""
        return self._pieces

    def __enter__(self) -> ChatStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and stop the generation."""
        self._pieces.close()
        self._events.close()

    @property
    def reply(self) -> Reply:
        """The answer received so far."""
        reason = self._finish_reason or "interrupted"
        return Reply(
            "".join(self._texts),
            self._model,
            reason,
            self._usage or self._usage_so_far,
            self._last,
            self._timings,
            self._first_token_seconds,
            self._seconds,
            "".join(self._thoughts),
            self._thinking and self._thinking[1] - self._thinking[0],
            self._calls.calls,
            self._schema,
        )

    @property
    def _usage_so_far(self) -> Usage | None:
        if self._timings is None and self._reading is not None:
            return Usage(self._reading.total, 0, self._reading.cached)
        return usage_of(self._timings, self._thought_tokens)

    def _read(self) -> Generator[Piece, None, None]:
        for event in self._events:
            self._last = event
            self._seconds = time.monotonic() - self._started
            chunk = converted(event, _Chunk)
            if chunk.usage:
                self._usage = Usage.from_wire(chunk.usage)
            self._timings = timings_of(chunk.timings) or self._timings
            reading = reading_of(chunk.prompt_progress)
            self._reading = reading or self._reading
            if reading is not None and self._progress is not None:
                self._progress(reading)
            for choice in chunk.choices:
                self._finish_reason = choice.finish_reason or self._finish_reason
                yield from self._added(choice.delta or _Delta())
        if self._finish_reason is None:
            raise ConnectionLost(
                "The connection was closed before the answer was complete. Try again."
            )

    def _added(self, delta: _Delta) -> Iterator[Piece]:
        seconds = self._seconds or 0.0
        is_first = self._first_token_seconds is None
        if is_first and (delta.thoughts or delta.content or delta.tool_calls):
            self._first_token_seconds = seconds
        if delta.thoughts:
            self._thoughts.append(delta.thoughts)
            self._thinking = (self._thinking[0] if self._thinking else seconds, seconds)
            self._thought_tokens = self._timings.predicted_n if self._timings else 0
            yield Piece("reasoning", delta.thoughts)
        if delta.content:
            self._texts.append(delta.content)
            yield Piece("text", delta.content)
        for part in delta.tool_calls or ():
            yield Piece("call", self._calls.add_part(part))


def chat_request(
    model: str,
    messages: Messages,
    system: str | None,
    tools: Iterable[Tool] | None,
    schema: Any,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the body of a chat request.

    Raises
    ------
    InvalidParameter
        If a tool or the schema cannot be described in JSON, or ``tool_choice`` is not a tool.
    """
    body = {**parameters, "model": model, "messages": conversation(messages, system)}
    tools = list(tools or ())
    if tools:
        body["tools"] = definitions(tools)
    choice = tool_choice(body.pop("tool_choice", None), tools)
    if choice is not None:
        body["tool_choice"] = choice
    if schema is not None:
        body["response_format"] = response_format(schema)
    return body


def conversation(messages: Messages, system: str | None) -> list[dict[str, Any]]:
    """Return the messages of a conversation, after the system message if there is one.

    Raises
    ------
    InvalidParameter
        If they are not messages.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, Mapping) or not isinstance(messages, Iterable):
        raise _not_messages("messages", "a text or a list of messages", messages)
    messages = list(messages)
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise _not_messages(f"messages[{i}]", "a dict with a 'role' and a 'content'", message)
    before = [] if system is None else [{"role": "system", "content": system}]
    return [*before, *map(dict, messages)]


def _not_messages(param: str, allowed: str, value: object) -> InvalidParameter:
    return InvalidParameter(
        f"{param} must be {allowed}, not of type {type(value).__name__}.", param=param
    )
