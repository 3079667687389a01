"""Requests of a view that cannot reach the server itself, done in the kernel.

The view sends ``{"id", "method", "path", "body"}``, for events with ``"stream": true``; each item
of the reply goes back as ``{"id", "item"}``, and the end as ``"done": true``; the view ends a
stream with ``{"id", "stop": true}``. Each request has a thread, since the kernel's own runs the
user's code.
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
from .event_coalescer import EventCoalescer

#: Seconds between two bursts of the events of models and pulls.
PAUSE = 0.1

#: What views ask for; everything else of a server is none of their business.
_PATH = re.compile(r"(models|events|chat/completions)([/?][^\s#]*)?")

_log = logging.getLogger("a3s_power_jupyter.widgets")


class Events(Protocol):
    """The events of a reply under way."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...
    def close(self) -> None: ...


class Connection(Protocol):
    """What is used of `client.connection.Connection`."""

    def request(
        self, method: str, path: str, *, body: object = None, timeout: float | None = ...
    ) -> bytes: ...
    def stream(
        self, method: str, path: str, *, body: object = None, timeout: float | None = ...
    ) -> Events: ...


class Bridge:
    """Answers the messages of one widget.

    Parameters
    ----------
    send : takes a message to the view, from any thread.
    sleep : waits for so many seconds.
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
        """Take a message of the view; returns at once."""
        id_ = str(message.get("id"))
        if message.get("stop"):
            self._stop(id_)
            return
        reply = _Reply(id_, self._send)
        with self._lock:
            self._replies[id_] = reply
        # In the context of the message: what is sent is a reply to it, and not to the cell that
        # runs, which ipykernel would take for the place to send the view's next message to.
        run = contextvars.copy_context().run
        threading.Thread(
            target=run, args=(self._answer, reply, message), name="a3s-power-view", daemon=True
        ).start()

    def close(self) -> None:
        """End all that is under way; the view hears no more of it."""
        with self._lock:
            ids = [*self._replies]
        for id_ in ids:
            self._stop(id_)

    def _stop(self, id_: str) -> None:
        with self._lock:
            reply = self._replies.get(id_)
        if reply is not None:  # else it has ended
            reply.stop()

    def _answer(self, reply: _Reply, message: dict[str, Any]) -> None:
        try:
            self._ask(reply, message)
        except PowerError as error:
            reply.fail(error)
        except Exception:
            # What is read from a connection that `stop` closes meanwhile fails in many ways.
            if not reply.stopped:
                _log.exception("a view's request broke")
                reply.fail(PowerError("The kernel made a mistake; its log says more."))
        finally:
            with self._lock:
                self._replies.pop(reply.id, None)

    def _ask(self, reply: _Reply, message: dict[str, Any]) -> None:
        method, path, body = message.get("method"), message.get("path"), message.get("body")
        if not isinstance(method, str) or not isinstance(path, str) or not _is_for_views(path):
            raise InvalidParameter(f"A view does not ask for {str(path)[:80]!r}.")
        if not message.get("stream"):
            # A load, for one, takes as long as it takes; giving up would end it.
            answer = self._connection.request(method, path, body=body, timeout=None)
            reply.tell(item=json.loads(answer), done=True)
            return
        stream = self._connection.stream(method, path, body=body)
        try:
            reply.begin(stream)
            self._pass_on(reply, stream, in_bursts=path == "events")
        finally:
            stream.close()
        reply.tell(done=True)

    def _pass_on(self, reply: _Reply, stream: Events, *, in_bursts: bool) -> None:
        if not in_bursts:
            for event in stream:
                reply.tell(item=event)
            return
        bursts = EventCoalescer()
        threading.Thread(
            target=_read, args=(stream, bursts), name="a3s-power-events", daemon=True
        ).start()
        while events := bursts.take():
            for event in events:
                reply.tell(item=event)
            self._sleep(PAUSE)


class _Reply:
    """What the view hears of one request, until it is stopped."""

    def __init__(self, id_: str, send: Callable[[dict[str, Any]], None]) -> None:
        self.id = id_
        self.stopped = False
        self._send = send
        self._lock = threading.Lock()
        self._stream: Events | None = None

    def begin(self, stream: Events) -> None:
        """The server answers; one that was stopped before is closed at once."""
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

    def tell(self, **what: Any) -> None:
        with self._lock:  # nothing is sent when `stop` has returned
            if not self.stopped:
                self._send({"id": self.id, **what})

    def fail(self, error: PowerError) -> None:
        self.tell(item={"error": error.to_wire()}, done=True)


def _is_for_views(path: str) -> bool:
    """Whether views ask for `path`; a dot segment would lead elsewhere."""
    segments = path.partition("?")[0].split("/")
    return _PATH.fullmatch(path) is not None and not {".", ".."} & {*map(unquote, segments)}


def _read(stream: Events, bursts: EventCoalescer) -> None:
    try:
        for event in stream:
            bursts.add(event)
    except Exception as error:  # it is raised again where the view is answered
        bursts.end(error)
    else:
        bursts.end()
