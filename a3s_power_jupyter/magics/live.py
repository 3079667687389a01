"""Text that changes while the cell runs."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

from IPython.display import display

from .session import write


class Live(ABC):
    """One place in the output, for the time of a ``with`` block; its last text stays."""

    @abstractmethod
    def update(self, text: str) -> None:
        """Show `text`, Markdown, in the place of what was there."""

    @abstractmethod
    def end(self) -> None:
        """Show what the last `update` brought, if that was not done yet."""

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()


class NotebookLive(Live):
    """One rendered display that is updated at most ten times a second.

    Each update carries the whole text; sent for every token they would slow the browser.
    """

    INTERVAL = 0.1  # seconds

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""
        self._shown = ""
        self._shown_at = float("-inf")

    def update(self, text: str) -> None:
        self._text = text
        if time.monotonic() - self._shown_at >= self.INTERVAL:
            self._show()

    def end(self) -> None:
        if self._text != self._shown:
            self._show()

    def _show(self) -> None:
        bundle = {"text/markdown": self._text, "text/plain": self._text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._shown = self._text
        self._shown_at = time.monotonic()


class TerminalLive(Live):
    """Writes what is new; text that does not go on from what is there takes its line."""

    def __init__(self) -> None:
        self._shown = ""

    def update(self, text: str) -> None:
        if text.startswith(self._shown):
            write(text[len(self._shown) :])
        else:
            write(("\r\x1b[K" if sys.stdout.isatty() else "\n") + text)
        self._shown = text

    def end(self) -> None:
        if self._shown:
            write("\n")


def live(in_notebook: bool) -> Live:
    return NotebookLive() if in_notebook else TerminalLive()
