"""Show text that is updated while a cell runs."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

from IPython.display import display

from ..contract.text import complete_length, printable
from ..display.markup import escape, from_markdown


class LiveText(ABC):
    """Text in the output of a cell, updated until the end of a ``with`` block."""

    @abstractmethod
    def update(self, text: str, *, markdown: bool = False) -> None:
        """Replace the text, which a notebook shows as is or renders as Markdown."""

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

    Each update sends the whole text. An update for each token would slow the browser down. If the
    text takes long to render, the interval grows, so that rendering takes at most a tenth of the
    time.
    """

    INTERVAL = 0.1  # seconds

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""
        self._markdown = False
        self._shown = ""
        self._next_update = float("-inf")

    def update(self, text: str, *, markdown: bool = False) -> None:
        self._text, self._markdown = text, markdown
        if time.monotonic() >= self._next_update:
            self._show()

    def finish(self) -> None:
        if self._text != self._shown:
            self._show()

    def _show(self) -> None:
        started = time.monotonic()
        html = from_markdown(self._text) if self._markdown else f"<p>{escape(self._text)}</p>"
        bundle = {"text/html": html, "text/plain": printable(self._text)}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._shown = self._text
        now = time.monotonic()
        self._next_update = now + max(self.INTERVAL, 9 * (now - started))


class TerminalText(LiveText):
    """Terminal output: added text is appended, and any other text replaces the line.

    Control sequences are removed, also if they arrive in several updates.
    """

    def __init__(self) -> None:
        self._text = ""
        self._pending = ""  # the start of a control sequence at the end of the text

    def update(self, text: str, *, markdown: bool = False) -> None:
        if text.startswith(self._text):
            added = self._pending + text[len(self._text) :]
        else:
            write("\r\x1b[K" if sys.stdout.isatty() else "\n")
            added = text
        length = complete_length(added)
        write(printable(added[:length]))
        self._text, self._pending = text, added[length:]

    def finish(self) -> None:
        if self._text:
            write(printable(self._pending) + "\n")
            self._pending = ""


def live_text(in_notebook: bool) -> LiveText:
    return NotebookText() if in_notebook else TerminalText()


def write(text: str) -> None:
    """Write `text` to the cell's output without buffering."""
    sys.stdout.write(text)
    sys.stdout.flush()
