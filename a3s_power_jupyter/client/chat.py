"""Chat requests, and answers that are received while they are generated."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import msgspec

from ..contract.errors import ConnectionLost
from ..contract.types import Reading, Timings
from .answers import Reply, Usage
from .connection import EventStream
from .replies import converted, reading_of, timings_of

#: A question, or a conversation in the format of OpenAI's API.
Messages = str | Iterable[Mapping[str, Any]]

#: Receives the progress in reading the prompt.
ProgressCallback = Callable[[Reading], None]


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: Any = None


class _ChunkChoice(msgspec.Struct):
    finish_reason: str | None = None
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    choices: list[_ChunkChoice] = []
    usage: dict[str, Any] | None = None
    timings: Any = None
    prompt_progress: Any = None


class ChatStream:
    """Iterator over the text of an answer while it is generated.

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
    """

    def __init__(
        self,
        events: EventStream,
        model: str,
        progress: ProgressCallback | None = None,
        *,
        started: float,
    ) -> None:
        self._model = model
        self._events = events
        self._progress = progress
        self._started = started
        self._pieces = self._read()
        self._texts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._timings: Timings | None = None
        self._first_token_seconds: float | None = None
        self._seconds: float | None = None
        self._last: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next piece of text.

        Raises
        ------
        PowerError
            If the generation fails.
        ConnectionLost
            If the connection is closed before the answer is complete.
        """
        return next(self._pieces)

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
            self._usage,
            self._last,
            self._timings,
            self._first_token_seconds,
            self._seconds,
        )

    def _read(self) -> Generator[str, None, None]:
        for event in self._events:
            self._last = event
            self._seconds = time.monotonic() - self._started
            chunk = converted(event, _Chunk)
            if chunk.usage:
                self._usage = Usage.from_wire(chunk.usage)
            self._timings = timings_of(chunk.timings) or self._timings
            reading = reading_of(chunk.prompt_progress)
            if reading is not None and self._progress is not None:
                self._progress(reading)
            for choice in chunk.choices:
                self._finish_reason = choice.finish_reason or self._finish_reason
                yield from self._piece(choice.delta)
        if self._finish_reason is None:
            raise ConnectionLost(
                "The connection was closed before the answer was complete. Try again."
            )

    def _piece(self, delta: _Delta | None) -> Iterator[str]:
        if delta is None:
            return
        if self._first_token_seconds is None and (delta.content or delta.reasoning_content):
            self._first_token_seconds = self._seconds
        if delta.content:
            self._texts.append(delta.content)
            yield delta.content


def chat_request(
    model: str, messages: Messages, system: str | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the body of a chat request."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    conversation = list(messages)
    if system is not None:
        conversation.insert(0, {"role": "system", "content": system})
    return {**parameters, "model": model, "messages": conversation}
