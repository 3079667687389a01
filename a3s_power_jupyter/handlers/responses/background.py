"""Responses that are generated while no client waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import msgspec

from ...contract.errors import InvalidParameter, PowerError
from ...contract.types import GenerationItem
from ..json_reply import encode_line
from .replies import ResponseReply

Json = dict[str, Any]

#: Most responses in the background at once.
MAX_RUNS = 64

#: Most bytes of the events of one response, which are kept for clients that read them later.
MAX_EVENTS_BYTES = 16 << 20


class KeptEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with its JSON, which takes less memory than the event."""

    type: str
    json: msgspec.Raw


class BackgroundRun:
    """The generation of one response, with its events if clients may read them.

    Attributes
    ----------
    is_running : bool
        Whether the generation goes on.
    keeps_events : bool
        As the parameter.
    size : int
        Bytes of the events.

    Parameters
    ----------
    items : generator
        The items of the engine.
    to_error : callable
        Returns the error of the response to an exception.
    keeps_events : bool
        Whether the response was requested as a stream.
    finished : callable
        Called at the end, whatever it is.
    """

    def __init__(
        self,
        reply: ResponseReply,
        items: AsyncGenerator[tuple[int, GenerationItem], None],
        to_error: Callable[[Exception], PowerError],
        *,
        keeps_events: bool,
        finished: Callable[[], None],
    ) -> None:
        self.keeps_events = keeps_events
        self.size = 0
        self._reply: ResponseReply | None = reply  # None at the end: it holds the request
        self._response: Json = {}
        self._events: list[KeptEvent] = []
        self._changed = asyncio.Event()
        self._keep(reply.begin())
        self.is_running = True
        self._task = asyncio.ensure_future(self._run(reply, items, to_error))
        # Also if it is cancelled before it runs.
        self._task.add_done_callback(lambda _: self._end(finished))

    def response(self) -> Json:
        """Return the response as it is now."""
        return self._response if self._reply is None else self._reply.response()

    async def cancel(self) -> None:
        """Stop the generation. Return once it has stopped; one that is complete stays so."""
        if self._reply is not None and self._reply.status in ("queued", "in_progress"):
            self._reply.cancel()
            self._task.cancel()
        if self.is_running:
            await asyncio.wait([self._task])

    async def events(self, start: int) -> AsyncGenerator[KeptEvent, None]:
        """Yield the events from number `start` on, as they come, until the last one."""
        position = start
        while True:
            changed = self._changed
            while position < len(self._events):
                yield self._events[position]
                position += 1
            if not self.is_running:
                return
            await changed.wait()

    async def _run(
        self,
        reply: ResponseReply,
        items: AsyncGenerator[tuple[int, GenerationItem], None],
        to_error: Callable[[Exception], PowerError],
    ) -> None:
        try:
            async with aclosing(items):
                async for _, item in items:
                    self._keep(reply.events(item))
                    if self.size > MAX_EVENTS_BYTES and reply.status == "in_progress":
                        raise InvalidParameter(
                            f"The events of the response exceed {MAX_EVENTS_BYTES >> 20} MB. "
                            "Request it without 'stream' or without log probabilities.",
                            param="stream",
                        )
        except Exception as error:
            self._keep(reply.failed(to_error(error)))

    def _end(self, finished: Callable[[], None]) -> None:
        self._response = self.response()
        self._reply = None
        self.is_running = False
        finished()
        self._wake()

    def _keep(self, events: list[Json]) -> None:
        if not self.keeps_events:
            return
        for event in events:
            kept = KeptEvent(event["type"], msgspec.Raw(encode_line(event)))
            self.size += len(kept.json)
            self._events.append(kept)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
