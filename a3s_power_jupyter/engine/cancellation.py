"""Tell threads that work on a request whether it was cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Ids of the requests that the server has cancelled but the engine still has. A thread of the
#: worker adds them while a step is under way. An engine may ask for each of its ids, and end the
#: step early; the worker then calls `Engine.cancel`.
CANCELLED: set[int] = set()

_CANCELLED: ContextVar[Callable[[], bool]] = ContextVar("cancelled")


@contextmanager
def cancellable(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Have `is_cancelled` call `cancelled` in this block, in this thread."""
    token = _CANCELLED.set(cancelled)
    try:
        yield
    finally:
        _CANCELLED.reset(token)


def is_cancelled() -> bool:
    """Return whether the request that this thread prepares was cancelled."""
    return _CANCELLED.get(lambda: False)()
