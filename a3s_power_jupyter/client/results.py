"""Results of client methods: replies, streamed replies, and the health of a server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import ConnectionLost
from ..contract.parameters import MAX_INPUTS
from ..contract.types import Device, EngineStatus, ManifestProblem, Reading, Timings
from ..display.markup import from_markdown
from .connection import EventStream
from .replies import Count, converted, decoded, invalid, reading_of, timings_of


class Health(msgspec.Struct, frozen=True):
    """State of a server, as returned by ``GET /v1/health``.

    Attributes
    ----------
    status : str
        ``"ok"``.
    version : str
        Version of a3s-power-jupyter in the server.
    uptime_seconds : float
        Seconds since the server started.
    loaded_models : list of str
        Names of the models in memory.
    devices : list of Device
        The CPU and the GPUs of the server's machine.
    engines : dict of str to EngineStatus
        Availability of each engine.
    home : str
        Directory of the model store.
    hints : list of str
        Suggestions to improve the setup, with commands.
    problems : list of ManifestProblem
        Manifests that cannot be read.
    """

    status: str
    version: str
    uptime_seconds: float
    loaded_models: list[str]
    devices: list[Device]
    engines: dict[str, EngineStatus]
    home: str = ""
    hints: list[str] = []
    problems: list[ManifestProblem] = []


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


class _ChunkChoice(msgspec.Struct):
    finish_reason: str | None = None
    delta: _Message | None = None


class _Chunk(msgspec.Struct):
    choices: list[_ChunkChoice] = []
    usage: dict[str, Any] | None = None
    timings: Any = None
    prompt_progress: Any = None


#: Receives the progress in reading the prompt.
ProgressCallback = Callable[[Reading], None]


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
    timings : Timings or None
        Tokens that were computed and generated, and the time they took; None if the answer was
        interrupted or comes from an upstream without timings.
    raw : dict
        JSON object of the reply; for a stream, its last chunk.
    """

    model: str
    finish_reason: str
    usage: Usage | None
    timings: Timings | None
    raw: dict[str, Any]

    def __new__(
        cls,
        text: str,
        model: str = "",
        finish_reason: str = "",
        usage: Usage | None = None,
        raw: dict[str, Any] | None = None,
        timings: Timings | None = None,
    ) -> Reply:
        reply = super().__new__(cls, text)
        reply.model = model
        reply.finish_reason = finish_reason
        reply.usage = usage
        reply.timings = timings
        reply.raw = raw or {}
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
        timings = timings_of(wire.get("timings"))
        return cls(text or "", model, choice.finish_reason, usage, wire, timings)

    @property
    def text(self) -> str:
        """The answer as a plain `str`."""
        return str(self)

    def _repr_html_(self) -> str:
        return from_markdown(self)


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
    """

    def __init__(
        self, events: EventStream, model: str, progress: ProgressCallback | None = None
    ) -> None:
        self._model = model
        self._events = events
        self._progress = progress
        self._pieces = self._read()
        self._texts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._timings: Timings | None = None
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
        text = "".join(self._texts)
        return Reply(text, self._model, reason, self._usage, self._last, self._timings)

    def _read(self) -> Generator[str, None, None]:
        for event in self._events:
            self._last = event
            chunk = converted(event, _Chunk)
            if chunk.usage:
                self._usage = Usage.from_wire(chunk.usage)
            self._timings = timings_of(chunk.timings) or self._timings
            reading = reading_of(chunk.prompt_progress)
            if reading is not None and self._progress is not None:
                self._progress(reading)
            for choice in chunk.choices:
                self._finish_reason = choice.finish_reason or self._finish_reason
                piece = None if choice.delta is None else choice.delta.content
                if piece:
                    self._texts.append(piece)
                    yield piece
        if self._finish_reason is None:
            raise ConnectionLost(
                "The connection was closed before the answer was complete. Try again."
            )


def batches(texts: str | list[str]) -> list[str | list[str]]:
    """Split a list of texts that is too long for one request."""
    if isinstance(texts, list) and len(texts) > MAX_INPUTS and isinstance(texts[0], str):
        return [texts[i : i + MAX_INPUTS] for i in range(0, len(texts), MAX_INPUTS)]
    return [texts]


def count_of(batch: str | list[str]) -> int:
    """Return how many vectors a request with this input gets. Token ids are one text."""
    return 1 if isinstance(batch, str) or (batch and isinstance(batch[0], int)) else len(batch)
