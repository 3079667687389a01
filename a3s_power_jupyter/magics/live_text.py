"""Show text that is updated while a cell runs."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

from IPython.display import display


class LiveText(ABC):
    """Markdown text in the output of a cell, updated until the end of a ``with`` block."""

    @abstractmethod
    def update(self, text: str) -> None:
        """Replace the text."""

    @abstractmethod
    def finish(self) -> None:
        """Show the last text, unless it is already shown."""

    def __enter__(self) -> LiveText:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()


class NotebookText(LiveText):
    """A display that is updated at most ten times a second.

    Each update sends the whole text. An update for each token would slow the browser down.
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

    def finish(self) -> None:
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


class TerminalText(LiveText):
    """Terminal output: added text is appended, and any other text replaces the line."""

    def __init__(self) -> None:
        self._shown = ""

    def update(self, text: str) -> None:
        if text.startswith(self._shown):
            write(text[len(self._shown) :])
        else:
            write(("\r\x1b[K" if sys.stdout.isatty() else "\n") + text)
        self._shown = text

    def finish(self) -> None:
        if self._shown:
            write("\n")


def live_text(in_notebook: bool) -> LiveText:
    return NotebookText() if in_notebook else TerminalText()


def write(text: str) -> None:
    """Write `text` to the cell's output without buffering."""
    sys.stdout.write(text)
    sys.stdout.flush()
