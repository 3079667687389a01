"""Show text that is updated while a cell runs."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from IPython.display import display

from ..contract.text import complete_length, printable
from ..display import answer_line
from ..display.markup import escape, from_markdown


class LiveText(ABC):
    """Text in the output of a cell, updated until the end of a ``with`` block."""

    @abstractmethod
    def update(self, text: str, *, markdown: bool = False, line: str = "") -> None:
        """Replace the text, which a notebook shows as is or renders as Markdown.

        `line` is shown below the text, smaller.
        """

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


@dataclass(frozen=True)
class _Content:
    """A text with the line below it, in the forms that a notebook keeps."""

    text: str = ""
    markdown: bool = False
    line: str = ""

    @property
    def html(self) -> str:
        text = from_markdown(self.text) if self.markdown else f"<p>{escape(self.text)}</p>"
        return text + answer_line.markup(self.line)

    @property
    def plain(self) -> str:
        return printable("\n\n".join(filter(None, (self.text, self.line))))


class NotebookText(LiveText):
    """A display that is updated at most ten times a second.

    Each update sends the whole text. An update for each token would slow the browser down. If the
    text takes long to render, the interval grows, so that rendering takes at most a tenth of the
    time.
    """

    INTERVAL = 0.1  # seconds

    def __init__(self) -> None:
        self._handle: Any = None
        self._content = _Content()
        self._shown = self._content
        self._next_update = float("-inf")

    def update(self, text: str, *, markdown: bool = False, line: str = "") -> None:
        self._content = _Content(text, markdown, line)
        if time.monotonic() >= self._next_update:
            self._show()

    def finish(self) -> None:
        if self._content != self._shown:
            self._show()

    def _show(self) -> None:
        started = time.monotonic()
        bundle = {"text/html": self._content.html, "text/plain": self._content.plain}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._shown = self._content
        now = time.monotonic()
        self._next_update = now + max(self.INTERVAL, 9 * (now - started))


class TerminalText(LiveText):
    """Terminal output: added text is appended, and any other text replaces the line.

    Control sequences are removed, also if they arrive in several updates.
    """

    def __init__(self) -> None:
        self._text = ""
        self._pending = ""  # the start of a control sequence at the end of the text
        self._line = ""

    def update(self, text: str, *, markdown: bool = False, line: str = "") -> None:
        if text.startswith(self._text):
            added = self._pending + text[len(self._text) :]
        else:
            write("\r\x1b[K" if sys.stdout.isatty() else "\n")
            added = text
        length = complete_length(added)
        write(printable(added[:length]))
        self._text, self._pending, self._line = text, added[length:], line

    def finish(self) -> None:
        if self._text:
            write(printable(self._pending) + "\n")
            self._pending = ""
        if self._line:
            write(f"{_dimmed(printable(self._line))}\n")
            self._line = ""


def _dimmed(text: str) -> str:
    """Return the text in a muted color, unless the terminal or the user wants none."""
    no_color = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return f"\x1b[2m{text}\x1b[0m" if sys.stdout.isatty() and not no_color else text


def live_text(in_notebook: bool) -> LiveText:
    return NotebookText() if in_notebook else TerminalText()


def write(text: str) -> None:
    """Write `text` to the cell's output without buffering."""
    sys.stdout.write(text)
    sys.stdout.flush()
