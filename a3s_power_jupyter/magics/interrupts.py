"""End an interrupted command: once, with what it has so far, and with one line of text."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..contract.tracebacks import quieten

#: Seconds after an interrupt in which others are ignored, so that a command can end properly.
GRACE = 3.0


def interrupted(text: str = "Interrupted.") -> KeyboardInterrupt:
    """Return the error of an interrupted cell, which ends ``Run All``. IPython shows only `text`.

    The error has the name that front ends and nbclient know.
    """
    return quieten(KeyboardInterrupt(text), text)


class Interrupts:
    """Ignores interrupts that shortly follow another one, such as a second press of the button.

    Otherwise, they would end the display of the first one, with a traceback of its frames.

    Parameters
    ----------
    shell : InteractiveShell
        The shell that runs the commands.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._previous: Any = None
        self._last = float("-inf")
        shell.events.register("post_execute", self._restore)

    def close(self) -> None:
        self._restore()
        self._shell.events.unregister("post_execute", self._restore)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Take interrupts until the end of the block; after one, until the end of the cell."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not callable(signal.getsignal(signal.SIGINT)):
            yield
            return
        if self._previous is None:
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            if not self._is_recent:
                self._restore()

    @property
    def _is_recent(self) -> bool:
        return time.monotonic() - self._last < GRACE

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if not self._is_recent:
            self._last = time.monotonic()
            raise KeyboardInterrupt

    def _restore(self) -> None:
        self._last = float("-inf")
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None
