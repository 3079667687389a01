"""Tell the code that prepares a request, in a thread, whether the request was cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
