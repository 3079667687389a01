"""Show text that is updated while a cell runs."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from IPython.display import display

from ..contract.text import complete_length, printable
from ..display import answer_line, answer_parts
from ..display.answer_parts import Call, Notice, Part, Question


@dataclass(frozen=True)
class Content:
    """Parts of an answer, or a text of ours, and the line below them."""

    parts: tuple[Part, ...] = ()
    line: str = ""

    @property
    def html(self) -> str:
        return answer_parts.markup(self.parts) + answer_line.markup(self.line)

    @property
    def plain(self) -> str:
        text = answer_parts.plain(self.parts)
        return "\n\n".join(filter(None, (text, printable(self.line))))


class LiveText(ABC):
    """Text in the output of a cell, updated until the end of a ``with`` block."""

    def update(self, *parts: Part | str, line: str = "") -> None:
        """Replace the text. A string is shown as it is.

        `line` is shown below the text, smaller.
        """
        shown = (Notice(part) if isinstance(part, str) else part for part in parts)
        self.show(Content(tuple(shown), line))

    @abstractmethod
    def show(self, content: Content) -> None:
        """Replace what is shown."""

    @abstractmethod
    def ask(self, question: Question, prompt: str) -> str:
        """Show a question below the text, and return what the user types."""

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
        self._content = Content()
        self._shown = self._content
        self._next_update = float("-inf")

    def show(self, content: Content) -> None:
        self._content = content
        if time.monotonic() >= self._next_update:
            self._display()

    def ask(self, question: Question, prompt: str) -> str:
        content = self._content
        parts = (_waiting(part) for part in content.parts)
        self._content = Content((*parts, question), content.line)
        self._display()
        try:
            return input(prompt)
        finally:
            self._content = content
            self._display()

    def finish(self) -> None:
        if self._content != self._shown:
            self._display()

    def _display(self) -> None:
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
    """Terminal output: added text is appended, and any other text replaces the last line.

    Control sequences are removed, also if they arrive in several updates.
    """

    def __init__(self) -> None:
        self._text = ""
        self._pending = ""  # the start of a control sequence at the end of the text
        self._line = ""

    def show(self, content: Content) -> None:
        text = answer_parts.joined(content.parts)
        if text.startswith(self._text):
            added = self._pending + text[len(self._text) :]
        else:
            kept = self._text[: self._text.rfind("\n") + 1]  # all lines but the last one
            is_last_line = text.startswith(kept)
            write("\r\x1b[K" if is_last_line and sys.stdout.isatty() else "\n")
            added = text.removeprefix(kept)
        length = complete_length(added)
        write(printable(added[:length]))
        self._text, self._pending, self._line = text, added[length:], content.line

    def ask(self, question: Question, prompt: str) -> str:
        write(f"{printable(self._pending)}\n{printable(question.plain)}\n")
        self._pending = ""
        return input(prompt)

    def finish(self) -> None:
        if self._text:
            write(printable(self._pending) + "\n")
            self._pending = ""
        if self._line:
            write(f"{_dimmed(printable(self._line))}\n")
            self._line = ""


def _waiting(part: Part) -> Part:
    """Return a call as it is while a question about it waits: it does not run yet."""
    return replace(part, running=False) if isinstance(part, Call) else part


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
