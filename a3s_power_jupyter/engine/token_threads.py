"""Answer requests about tokens in threads, beside the generations of the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from ..contract.errors import PowerError
from ..contract.types import TokenItem, TokenRequest
from .base import Engine, request_error
from .cancellation import cancellable
from .protocol import Ended, Output
from .tokens import answer

#: Requests that are answered at once. They take cores from the steps.
THREADS = 2


class TokenThreads:
    """Answers requests about tokens at once, also while the engine is in a step.

    Parameters
    ----------
    emit : callable
        Sends a message to the server; it is called in threads.
    """

    def __init__(self, engine: Engine[Any], emit: Callable[[msgspec.Struct], None]) -> None:
        self._engine = engine
        self._emit = emit
        self._threads = ThreadPoolExecutor(THREADS, "tokens")
        self._cancelled: dict[int, threading.Event] = {}

    @property
    def busy(self) -> bool:
        """Whether there are requests."""
        return bool(self._cancelled)

    def begin(self, id_: int, request: TokenRequest) -> None:
        """Answer a request in a thread."""
        self._cancelled[id_] = threading.Event()
        try:
            self._threads.submit(self._run, id_, request)
        except Exception as error:  # no thread can be started, for example for want of memory
            self._end(id_, request_error(error))

    def cancel(self, id_: int) -> bool:
        """Stop a request soon. Return false if it is none of these."""
        cancelled = self._cancelled.get(id_)
        if cancelled is not None:
            cancelled.set()
        return cancelled is not None

    def _run(self, id_: int, request: TokenRequest) -> None:
        cancelled = self._cancelled[id_]
        if cancelled.is_set():
            return self._end(id_)
        try:
            with cancellable(cancelled.is_set):
                item: TokenItem = answer(self._engine, request)
            self._emit(Output(id_, item))
        except BaseException as error:  # a panic of a Rust library is not an `Exception`
            return self._end(id_, request_error(error))
        return self._end(id_)

    def _end(self, id_: int, error: PowerError | None = None) -> None:
        del self._cancelled[id_]
        self._emit(Ended(id_, None if error is None else error.to_wire()))
