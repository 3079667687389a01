"""Requests of a view that cannot reach the server itself, done in the kernel.

The view sends ``{"id", "method", "path", "body"}``, for events with ``"stream": true``; each item
of the reply goes back as ``{"id", "item"}``, and the end as ``"done": true``; the view ends a
stream with ``{"id", "stop": true}``. Each request has a thread, since the kernel's own runs the
user's code.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..errors import InvalidParameter, PowerError

#: What views ask for; everything else of a server is none of their business.
_PATH = re.compile(r"(models|events|chat/completions)([/?][^\s#]*)?")


class Events(Protocol):
    """The events of a reply under way."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...
    def close(self) -> None: ...


class Connection(Protocol):
    """What is used of `client.connection.Connection`."""

    def request(self, method: str, path: str, *, body: object = None) -> bytes: ...
    def stream(self, method: str, path: str, *, body: object = None) -> Events: ...


class Bridge:
    """Answers the messages of one widget.

    Parameters
    ----------
    send : takes a message to the view, from any thread.
    """

    def __init__(self, connection: Connection, send: Callable[[dict[str, Any]], None]) -> None:
        self._connection = connection
        self._send = send
        self._lock = threading.Lock()
        self._streams: dict[str, Events] = {}
        self._stopped: set[str] = set()

    def handle(self, message: dict[str, Any]) -> None:
        """Take a message of the view; returns at once."""
        id_ = str(message.get("id"))
        if message.get("stop"):
            self._stop(id_)
            return
        threading.Thread(
            target=self._answer, args=(id_, message), name="a3s-power-view", daemon=True
        ).start()

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            ids = [*self._streams]
        for id_ in ids:
            self._stop(id_)

    def _stop(self, id_: str) -> None:
        with self._lock:
            self._stopped.add(id_)
            stream = self._streams.get(id_)
        if stream is not None:
            stream.close()

    def _answer(self, id_: str, message: dict[str, Any]) -> None:
        try:
            method, path = str(message.get("method")), str(message.get("path"))
            if not _PATH.fullmatch(path) or ".." in path:
                raise InvalidParameter(f"A view does not ask for {path[:80]!r}.")
            if message.get("stream"):
                self._pass_on(id_, self._connection.stream(method, path, body=message.get("body")))
                return
            reply = self._connection.request(method, path, body=message.get("body"))
            self._send({"id": id_, "item": json.loads(reply), "done": True})
        except PowerError as error:
            self._send({"id": id_, "item": {"error": error.to_wire()}, "done": True})

    def _pass_on(self, id_: str, stream: Events) -> None:
        with self._lock:
            self._streams[id_] = stream
            stopped = id_ in self._stopped
        try:
            if not stopped:
                for event in stream:
                    self._send({"id": id_, "item": event})
            self._send({"id": id_, "done": True})
        except PowerError:
            if id_ not in self._stopped:
                raise
        finally:
            stream.close()
            with self._lock:
                self._streams.pop(id_, None)
                self._stopped.discard(id_)
