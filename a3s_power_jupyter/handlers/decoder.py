"""Decode and check large bodies off the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

Work = tuple[asyncio.Future[Any], Callable[[], Any]]


class Decoder:
    """Calls functions one at a time in a thread: several would only wait for the GIL.

    It is a daemon thread, so that bodies that wait do not delay the exit of the server.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, function: Callable[[], T]) -> T:
        """Return the result of `function`. It is not called if the caller is cancelled first."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="power-bodies", daemon=True)
            self._thread.start()
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work.put((result, function))
        try:
            return await result
        finally:
            del result  # it holds the exception, with a traceback that leads back to this frame

    def _run(self) -> None:
        while True:
            self._call(*self._work.get())

    def _call(self, result: asyncio.Future[T], function: Callable[[], T]) -> None:
        if result.cancelled():
            return
        set_: Callable[[Any], None]
        value: Any
        try:
            set_, value = result.set_result, function()
        except BaseException as error:
            set_, value = result.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: the server is exiting
            result.get_loop().call_soon_threadsafe(_finish, result, set_, value)
        # The traceback of an exception leads back to this frame, and so would these to the body.
        del result, function, set_, value


def _finish(result: asyncio.Future[Any], set_: Callable[[Any], None], value: Any) -> None:
    if not result.done():
        set_(value)
