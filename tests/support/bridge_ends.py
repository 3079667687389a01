"""Both ends of a bridge, as tests need them: a view, and streams on order."""

from __future__ import annotations

import threading
import time
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
    """The other end of a widget's messages."""

    def __init__(self) -> None:
        self._messages: Queue[dict[str, Any]] = Queue()

    def take(self, message: dict[str, Any]) -> None:
        self._messages.put(message)

    def next(self) -> dict[str, Any]:
        return self._messages.get(timeout=TIMEOUT)

    def all_of(self, id_: str) -> list[Any]:
        """The items of one reply, when it is done."""
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
    """A stream of what a test puts into it; None ends it, an exception breaks it."""

    def __init__(self) -> None:
        self.queue: Queue[dict[str, Any] | Exception | None] = Queue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (event := self.queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
            self.queue.task_done()  # whoever reads has come back for more

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.queue.put(RuntimeError("read of a stream that is closed"))


class Feeding:
    """A connection whose streams are feeds; with `hold`, they open when that is set."""

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.feed = Feed()
        self._hold = hold

    def request(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> bytes:
        raise AssertionError("nobody asked for that")

    def stream(
        self, method: str, path: str, *, body: object = None, timeout: float | None = None
    ) -> Feed:
        if self._hold is not None:
            assert self._hold.wait(TIMEOUT)
        return self.feed


class Clock:
    """The time of a bridge; in each of its pauses the server sends what `arrives` gives."""

    def __init__(self, feed: Feed, arrives: Callable[[float], list[Any]]) -> None:
        self.now = 0.0
        self._feed = feed
        self._arrives = arrives

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        events = self._arrives(self.now)
        for event in events:
            self._feed.queue.put(event)
        if events and None not in events:
            self._feed.queue.join()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def closed_streams(server: Server) -> int:
    """How many generations of the endless model have ended."""
    with server.api() as api:
        calls: list[Any] = api.get("v1/health").json()["calls"]
    return calls.count(["endless", "closed"])


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("a3s-power-"):
            thread.join(TIMEOUT)
