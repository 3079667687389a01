"""Both ends of a widget's bridge: a view, and a connection with a stream from the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

from support.servers import Server

TIMEOUT = 30.0
CHAT: dict[str, Any] = {
    "method": "POST",
    "path": "chat/completions",
    "body": {"model": "a/load", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
    "stream": True,
}


class View:
    """Receives the messages that a bridge sends to the view."""

    def __init__(self) -> None:
        self._messages: Queue[dict[str, Any]] = Queue()

    def receive(self, message: dict[str, Any]) -> None:
        self._messages.put(message)

    def next(self) -> dict[str, Any]:
        return self._messages.get(timeout=TIMEOUT)

    def all_of(self, id_: str) -> list[Any]:
        """Wait for the end of one reply and return its items."""
        items = []
        while True:
            message = self.next()
            assert message["id"] == id_
            if "item" in message:
                items.append(message["item"])
            if message.get("done"):
                return items

    @property
    def is_quiet(self) -> bool:
        return self._messages.empty()


class Feed:
    """Stream of the events in its queue. None ends the stream, and an exception is raised."""

    def __init__(self) -> None:
        self.queue: Queue[dict[str, Any] | Exception | None] = Queue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (event := self.queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
            self.queue.task_done()  # the reader is ready for the next event

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.queue.put(RuntimeError("read from a closed stream"))


class FeedConnection:
    """Connection with one feed as its stream, which opens once `hold` is set."""

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.feed = Feed()
        self._hold = hold

    def request(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> bytes:
        raise AssertionError("unexpected request")

    def stream(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> Feed:
        if self._hold is not None:
            assert self._hold.wait(TIMEOUT)
        return self.feed


class Clock:
    """Clock of a bridge. During each sleep, the server sends the result of `new_events`."""

    def __init__(self, feed: Feed, new_events: Callable[[float], list[Any]]) -> None:
        self.now = 0.0
        self._feed = feed
        self._new_events = new_events

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        events = self._new_events(self.now)
        for event in events:
            self._feed.queue.put(event)
        if events and None not in events:
            self._feed.queue.join()


def closed_streams(server: Server) -> int:
    """Return the number of cancelled answers of the fake model ``endless``."""
    with server.api() as api:
        calls: list[Any] = api.get("v1/health").json()["calls"]
    return calls.count(["endless", "closed"])


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("a3s-power-"):
            thread.join(TIMEOUT)
