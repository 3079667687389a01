"""Text that changes while the cell runs."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from IPython.display import display

from .session import write


class Live(Protocol):
    """One place in the output whose text is replaced."""

    def update(self, text: str, *, final: bool = False) -> None:
        """Show the whole `text`, Markdown; `final` is for the last one, which must not be lost."""


class NotebookLive:
    """One rendered display that is updated at most ten times a second.

    Each update carries the whole text; sent for every token they would slow the browser.
    """

    INTERVAL = 0.1  # seconds

    def __init__(self) -> None:
        self._handle: Any = None
        self._updated_at = 0.0

    def update(self, text: str, *, final: bool = False) -> None:
        now = time.monotonic()
        if not final and now - self._updated_at < self.INTERVAL:
            return
        self._updated_at = now
        bundle = {"text/markdown": text, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class TerminalLive:
    """Writes what is new; text that does not go on from what is there takes its line."""

    def __init__(self) -> None:
        self._shown = ""

    def update(self, text: str, *, final: bool = False) -> None:
        if text.startswith(self._shown):
            write(text[len(self._shown) :])
        else:
            write(("\r\x1b[K" if sys.stdout.isatty() else "\n") + text)
        self._shown = text
        if final:
            write("\n")


def live(in_notebook: bool) -> Live:
    return NotebookLive() if in_notebook else TerminalLive()
