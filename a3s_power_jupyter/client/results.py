"""What a model answers: the whole text, or pieces of it as it is written."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from typing import Any

import msgspec

from ..contract.errors import ConnectionLost
from .connection import EventStream


class Usage(msgspec.Struct, frozen=True):
    """Counts of tokens; `cached_tokens` of the prompt came from the prefix cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    @classmethod
    def of(cls, wire: Mapping[str, Any]) -> Usage:
        """From OpenAI's ``usage`` object."""
        details = wire.get("prompt_tokens_details") or {}
        return cls(
            prompt_tokens=wire["prompt_tokens"],
            completion_tokens=wire.get("completion_tokens", 0),
            cached_tokens=details.get("cached_tokens", 0),
        )


class Reply(str):
    """The text of an answer: a string that knows how it came about.

    Attributes
    ----------
    model
        Name of the model that wrote it.
    finish_reason
        ``"stop"``, ``"length"``, ``"tool_calls"``; ``"interrupted"`` for a stream that was closed
        before its end.
    usage
        Counts of tokens; None when it was interrupted.
    raw
        The reply's JSON; of a stream, its last chunk.
    """

    model: str
    finish_reason: str
    usage: Usage | None
    raw: dict[str, Any]

    def __new__(
        cls,
        text: str,
        model: str = "",
        finish_reason: str = "",
        usage: Usage | None = None,
        raw: dict[str, Any] | None = None,
    ) -> Reply:
        reply = super().__new__(cls, text)
        reply.model = model
        reply.finish_reason = finish_reason
        reply.usage = usage
        reply.raw = raw or {}
        return reply

    @classmethod
    def of(cls, wire: dict[str, Any], model: str) -> Reply:
        """From a ``chat.completion`` or ``text_completion``; the first choice is the text."""
        choice = wire["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        usage = Usage.of(wire["usage"]) if wire.get("usage") else None
        return cls(text or "", model, choice["finish_reason"], usage, wire)

    @property
    def text(self) -> str:
        """The answer as a plain string."""
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


class ChatStream:
    """Pieces of text while the model writes them; `reply` is all that came.

    Leaving the ``with`` block, `close` or an interrupt ends the connection, and with it the
    generation in the server.
    """

    def __init__(self, events: EventStream, model: str) -> None:
        self._model = model
        self._events = events
        self._pieces = self._read()
        self._texts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._last: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next piece.

        Raises
        ------
        PowerError
            The model failed on the way, or the connection broke (`ConnectionLost`).
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
        """End the connection, and with it the generation."""
        self._pieces.close()
        self._events.close()

    @property
    def reply(self) -> Reply:
        """What came so far, as one answer."""
        reason = self._finish_reason or "interrupted"
        return Reply("".join(self._texts), self._model, reason, self._usage, self._last)

    def _read(self) -> Generator[str, None, None]:
        for chunk in self._events:
            self._last = chunk
            if chunk.get("usage"):
                self._usage = Usage.of(chunk["usage"])
            for choice in chunk["choices"]:
                self._finish_reason = choice.get("finish_reason") or self._finish_reason
                piece = choice["delta"].get("content")
                if piece:
                    self._texts.append(piece)
                    yield piece
        if self._finish_reason is None:
            raise ConnectionLost("The answer ended before it was complete; ask again.")
