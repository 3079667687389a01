"""Base classes of handlers that reply with a stream: Server-Sent Events, or lines of JSON.

Formats: https://html.spec.whatwg.org/multipage/server-sent-events.html,
https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, ClassVar

from ..contract.errors import PowerError
from .base import PowerHandler
from .json_reply import encode_line

#: Seconds to wait for the first event before the head of the reply is sent. An error until then
#: gets its own HTTP status.
HEAD_DELAY = 10.0
#: Seconds between fillers, which keep proxies from closing an idle connection.
KEEP_ALIVE = 15.0

#: Bytes that a client has to read within `PowerApp.client_timeout`.
PIECE = 64 * 1024
#: Bytes of a stream that the operating system keeps until the client reads them. It takes more only
#: when a third is free again, so with its default of megabytes a slow client would look like one
#: that reads nothing.
SEND_BUFFER = 64 * 1024


class StreamHandler(PowerHandler):
    """A handler that can reply with a stream of events. Subclasses have the framing.

    Attributes
    ----------
    content_type : str
        The media type of the stream.
    filler : bytes
        What is sent while there are no events, and means nothing to readers of the format.
    """

    content_type: ClassVar[str]
    filler: ClassVar[bytes]

    def encode_event(self, event: Any) -> bytes:
        """Return the bytes of an event in the stream."""
        raise NotImplementedError

    def is_last(self, event: Any) -> bool:
        """Whether nothing may follow an event, also no filler."""
        return False

    def error_events(self, error: PowerError) -> list[Any]:
        """Return the last events of a stream that fails."""
        return [self.error_body(error)]

    def initialize(self, template: str) -> None:
        super().initialize(template)
        self._streaming = False
        self._has_ended = False
        self._write_lock = asyncio.Lock()

    async def stream(self, events: AsyncGenerator[Any, None], *, end: bytes = b"") -> None:
        """Send each of `events`, then `end`, and close the generator in any case.

        An error is raised if the head of the reply has not been sent, else it is the last event.
        """
        if self.request.method == "HEAD":  # which has no body, and a stream may have no end
            await events.aclose()
        else:
            await self.until_disconnect(self._stream(events, end))
        self.finish(set_content_type=self.content_type)

    async def _stream(self, events: AsyncGenerator[Any, None], end: bytes) -> None:
        fillers = asyncio.ensure_future(self._send_fillers())
        try:
            async with aclosing(events):
                async for event in events:
                    await self.send_event(event)
            await self._send(end)
        except Exception as error:
            if not self._streaming:
                raise
            self.log_exception(*sys.exc_info())
            for event in self.error_events(self.to_error(error)):
                await self.send_event(event)
        finally:
            fillers.cancel()

    async def send_event(self, event: Any) -> None:
        """Send `event`. Return once it is written to the socket."""
        self._has_ended = self.is_last(event)
        await self._send(self.encode_event(event))

    async def _send_fillers(self) -> None:
        await asyncio.sleep(HEAD_DELAY)
        while True:
            async with self._write_lock:
                if self._has_ended:
                    return
                await self._write(self.filler)
            await asyncio.sleep(KEEP_ALIVE)

    async def _send(self, data: bytes) -> None:
        # tornado resolves only the future of the last flush, so flushes must not overlap.
        async with self._write_lock:
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            self.set_header("Content-Type", self.content_type)
            self.set_header("Cache-Control", "no-cache")
            self.set_header("X-Accel-Buffering", "no")
            with suppress(OSError):  # the connection is closed
                if self.iostream.socket is not None:  # the client has not left
                    self.iostream.socket.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER)
        for start in range(0, len(data), PIECE):
            self.write(data[start : start + PIECE])
            await self.send_written()


class EventStreamHandler(StreamHandler):
    """Server-Sent Events without names: ``data: {json}``."""

    content_type = "text/event-stream"
    filler = b": keep-alive\n\n"

    def encode_event(self, event: Any) -> bytes:
        return b"data: " + encode_line(event) + b"\n\n"


class NamedEventStreamHandler(EventStreamHandler):
    """Server-Sent Events that are named by their ``type``."""

    def encode_event(self, event: Any) -> bytes:
        name: str = event["type"]
        return b"event: " + name.encode() + b"\n" + super().encode_event(event)


class LinesHandler(StreamHandler):
    """One JSON object a line (NDJSON).

    Readers parse each line, so the fillers are the white space that JSON allows before an object.
    After the last line, it would be a line of its own.
    """

    content_type = "application/x-ndjson"
    filler = b" "

    def encode_event(self, event: Any) -> bytes:
        return encode_line(event) + b"\n"
