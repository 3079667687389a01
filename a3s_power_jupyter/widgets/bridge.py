"""Forward requests of a widget's view to the server, for views that cannot reach it directly.

A view sends ``{"id", "method", "path", "body"}``, and ``"stream": true`` to request events. Each
item of the reply is sent back as ``{"id", "item"}``, and the last message has ``"done": true``. A
view cancels a stream with ``{"id", "stop": true}``. Each request has a thread, because the kernel's
main thread runs the user's code.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import unquote

from ..contract.errors import InvalidParameter, PowerError

Event = dict[str, Any]

#: Seconds between two batches of model and pull events.
BATCH_INTERVAL = 0.1

#: The routes that views may request.
_PATH = re.compile(r"(models|local-models|hub|events|health|chat/completions)([/?][^\s#]*)?")

_log = logging.getLogger("a3s_power_jupyter.widgets")


class EventStream(Protocol):
    """The part of `client.connection.EventStream` that widgets use."""

    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


class Connection(Protocol):
    """The part of `client.connection.Connection` that widgets use."""

    def request(
        self, method: str, path: str, *, body: object = None, timeout: float | None = ...
    ) -> bytes: ...
    def stream(
        self, method: str, path: str, *, body: object = None, timeout: float | None = ...
    ) -> EventStream: ...


class Bridge:
    """Answers the requests of one widget's views.

    Parameters
    ----------
    connection : Connection
        Connection to the server.
    send : callable
        Sends a message to the views. It is called from several threads.
    sleep : callable, optional
        Waits for a number of seconds.
    """

    def __init__(
        self,
        connection: Connection,
        send: Callable[[dict[str, Any]], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._send = send
        self._sleep = sleep
        self._lock = threading.Lock()
        self._replies: dict[str, _Reply] = {}

    def handle(self, message: dict[str, Any]) -> None:
        """Start or cancel a request, without waiting for the server."""
        id_ = str(message.get("id"))
        if message.get("stop"):
            self._stop(id_)
            return
        reply = _Reply(id_, self._send)
        with self._lock:
            self._replies[id_] = reply
        # The thread runs in the context of the message, so that ipykernel sends the reply as a
        # child of the message and not of the running cell.
        run = contextvars.copy_context().run
        threading.Thread(
            target=run, args=(self._answer, reply, message), name="a3s-power-view", daemon=True
        ).start()

    def close(self) -> None:
        """Cancel all requests. Nothing is sent to the views afterwards."""
        with self._lock:
            ids = [*self._replies]
        for id_ in ids:
            self._stop(id_)

    def _stop(self, id_: str) -> None:
        with self._lock:
            reply = self._replies.get(id_)
        if reply is not None:  # None if the reply is complete
            reply.stop()

    def _answer(self, reply: _Reply, message: dict[str, Any]) -> None:
        try:
            self._request(reply, message)
        except PowerError as error:
            reply.fail(error)
        except Exception:
            # Reading from a connection that `stop` closes can raise many types of errors.
            if not reply.stopped:
                _log.exception("The request of a widget failed")
                reply.fail(PowerError("Internal error in the kernel. See its log for details."))
        finally:
            with self._lock:
                self._replies.pop(reply.id, None)

    def _request(self, reply: _Reply, message: dict[str, Any]) -> None:
        method, path, body = message.get("method"), message.get("path"), message.get("body")
        if not isinstance(method, str) or not isinstance(path, str) or not _is_allowed(path):
            raise InvalidParameter(f"Widgets cannot request {str(path)[:80]!r}.")
        if not message.get("stream"):
            # No timeout: giving up would cancel a load, which can take minutes.
            content = self._connection.request(method, path, body=body, timeout=None)
            reply.send(item=json.loads(content), done=True)
            return
        stream = self._connection.stream(method, path, body=body)
        try:
            reply.attach(stream)
            if path == "events":
                self._forward_coalesced(reply, stream)
            else:
                for event in stream:
                    reply.send(item=event)
        finally:
            stream.close()
        reply.send(done=True)

    def _forward_coalesced(self, reply: _Reply, stream: EventStream) -> None:
        events = EventCoalescer()
        threading.Thread(
            target=events.read, args=(stream,), name="a3s-power-events", daemon=True
        ).start()
        while batch := events.next_batch():
            for event in batch:
                reply.send(item=event)
            self._sleep(BATCH_INTERVAL)


class _Reply:
    """Reply to one request of a view, which may be stopped from another thread."""

    def __init__(self, id_: str, send: Callable[[dict[str, Any]], None]) -> None:
        self.id = id_
        self.stopped = False
        self._send = send
        self._lock = threading.Lock()
        self._stream: EventStream | None = None

    def attach(self, stream: EventStream) -> None:
        """Set the stream that `stop` closes. Close it at once if `stop` was called before."""
        with self._lock:
            self._stream = stream
            stopped = self.stopped
        if stopped:
            stream.close()

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            stream = self._stream
        if stream is not None:
            stream.close()

    def send(self, **content: Any) -> None:
        with self._lock:  # nothing is sent after `stop` has returned
            if not self.stopped:
                self._send({"id": self.id, **content})

    def fail(self, error: PowerError) -> None:
        self.send(item={"error": error.to_wire()}, done=True)


def _is_allowed(path: str) -> bool:
    """Return whether views may request `path`. Dot segments would lead to other routes."""
    segments = path.partition("?")[0].split("/")
    return _PATH.fullmatch(path) is not None and not {".", ".."} & {*map(unquote, segments)}


class EventCoalescer:
    """Keeps the latest event of each model and each pull until a view is ready for it.

    One thread adds events and another removes them. The number of kept events is limited by the
    number of models and pulls.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], Event] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None

    def read(self, stream: EventStream) -> None:
        """Add all events of a stream, and call `end` after the last one."""
        try:
            for event in stream:
                self.add(event)
        except Exception as error:  # raised again by `next_batch`
            self.end(error)
        else:
            self.end()

    def add(self, event: Event) -> None:
        key = _subject(event)
        with self._changed:
            if event["type"] == "snapshot":
                self._events.clear()  # a snapshot includes all earlier events
            self._events.pop(key, None)  # to keep the order of the latest events
            self._events[key] = event
            self._changed.notify()

    def end(self, error: Exception | None = None) -> None:
        """End the stream, with the error that broke it, if any."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def next_batch(self) -> list[Event]:
        """Wait for events and return them. The list is empty at the end of the stream.

        Raises
        ------
        Exception
            If `end` was called with an error and all events have been returned.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._ended)
            events = [*self._events.values()]
            self._events.clear()
            if not events and self._error is not None:
                raise self._error
            return events


def _subject(event: Event) -> tuple[str, str]:
    """Return the subject of an event: a model, a pull, or the type of any other event."""
    if event["type"] in ("model", "model_deleted"):
        return "model", event["id"] if "id" in event else event["model"]["id"]
    if event["type"] in ("pull", "pull_deleted"):
        return "pull", event["name"] if "name" in event else event["pull"]["name"]
    return event["type"], ""
