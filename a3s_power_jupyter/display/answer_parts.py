"""The parts of an answer as HTML and as plain text: thoughts, text, and calls with their results.

All of them are untrusted: a model writes them, or a function that it calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..contract.text import printable, visible
from . import formatting
from .markup import escape, from_markdown

#: Most characters of a value in the line of a call. The details have the whole value.
MAX_VALUE = 60

#: Most characters of a result in the line of a call.
MAX_RESULT = 100

#: Characters at the end of the thoughts that are shown while the model thinks.
TAIL = 240

_QUIET = 'style="opacity: 0.7"'
_PRE = 'style="white-space: pre-wrap"'


@dataclass(frozen=True)
class Notice:
    """A text of ours, such as the progress of a load."""

    text: str

    @property
    def html(self) -> str:
        return f"<p>{escape(self.text)}</p>"

    @property
    def plain(self) -> str:
        return self.text


@dataclass(frozen=True)
class Text:
    """The text of an answer, which is Markdown."""

    text: str

    @property
    def html(self) -> str:
        return from_markdown(self.text)

    @property
    def plain(self) -> str:
        return self.text


@dataclass(frozen=True)
class Thoughts:
    """What a model thought before it answered. HTML folds it away, and plain text leaves it out.

    Attributes
    ----------
    seconds : float or None
        How long the model thought; None if it is not known.
    finished : bool
        False while the model thinks. Then the end of the thoughts is shown, because a display that
        is updated cannot be unfolded.
    """

    text: str
    seconds: float | None = None
    finished: bool = True

    @property
    def html(self) -> str:
        time = "" if self.seconds is None else formatting.seconds(self.seconds)
        if not self.finished:
            title = escape(f"Thinking for {time}" if time else "Thinking")
            tail = escape(" ".join(self.text[-TAIL:].split()))
            return f"<p><small {_QUIET}>{title}<br>… <bdi>{tail}</bdi></small></p>\n"
        title = escape(f"Thoughts ({time})" if time else "Thoughts")
        return (
            f"<details><summary><small {_QUIET}>{title}</small></summary>\n"
            f"<blockquote>\n{from_markdown(self.text)}</blockquote></details>\n"
        )

    @property
    def plain(self) -> str:
        # Without the time, so that a terminal does not print it again and again.
        return "" if self.finished else "Thinking ..."


@dataclass(frozen=True)
class Call:
    """A call of a function. HTML folds the arguments and the whole result away.

    Attributes
    ----------
    arguments : str
        The arguments as JSON.
    result : str or None
        Text of the result or of the error; None before the function has returned.
    failed : bool
        Whether the result is an error.
    running : bool
        Whether the function is running.
    """

    name: str
    arguments: str
    result: str | None = None
    failed: bool = False
    running: bool = False

    @property
    def html(self) -> str:
        outcome = " is running" if self.running else self._outcome
        call = call_text(self.name, self.arguments)
        line = f"<code>{escape(call)}</code>{escape(outcome)}"
        details = {"Arguments": _indented(self.arguments or "{}"), "Result": self.result or ""}
        blocks = "".join(
            f"<small {_QUIET}>{title}</small>\n<pre {_PRE}>{escape(text)}</pre>\n"
            for title, text in details.items()
            if text
        )
        return (
            f"<details><summary>{line}</summary>\n<blockquote>\n{blocks}</blockquote></details>\n"
        )

    @property
    def plain(self) -> str:
        if self.result is None and not self.running:
            return ""  # a terminal appends text, so it gets a call when its function runs
        return self.line

    @property
    def line(self) -> str:
        """The call and its result, ``weather(city="Paris") -> 18 degrees``."""
        return call_text(self.name, self.arguments) + self._outcome

    @property
    def _outcome(self) -> str:
        if self.result is None:
            return ""
        return f" -> {'error: ' if self.failed else ''}{_one_line(self.result, MAX_RESULT)}"


@dataclass(frozen=True)
class Question:
    """What a call would do, shown while the user decides whether it may.

    Attributes
    ----------
    what : str
        One line about the call.
    text : str
        Code or arguments as they are, '' if the line says all.
    """

    what: str
    text: str = ""

    @property
    def html(self) -> str:
        block = f"<pre {_PRE}>{escape(visible(self.text))}</pre>\n" if self.text else ""
        return f"<p><strong>{escape(visible(self.what))}</strong></p>\n{block}"

    @property
    def plain(self) -> str:
        return "\n".join(filter(None, (visible(self.what), visible(self.text))))


Part = Notice | Text | Thoughts | Call | Question


def markup(parts: Iterable[Part]) -> str:
    """Return HTML without scripts, raw HTML or remote resources."""
    return "".join(part.html for part in parts)


def plain(parts: Iterable[Part]) -> str:
    """Return text without control characters."""
    return printable(joined(parts))


def joined(parts: Iterable[Part]) -> str:
    """Return the plain text of parts. Calls that follow each other are lines of one paragraph."""
    text = ""
    previous: Part | None = None
    for part in parts:
        if part.plain:
            is_next_line = isinstance(part, Call) and isinstance(previous, Call)
            text += ("\n" if is_next_line else "\n\n" if text else "") + part.plain
            previous = part
    return text


def call_text(name: str, arguments: str) -> str:
    """Return ``weather(city="Paris", days=3)``. Long values are cut."""
    try:
        values = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        values = None
    name = _one_line(name, MAX_VALUE)
    if not isinstance(values, dict):
        return f"{name}({_one_line(arguments, MAX_VALUE)})"
    shown = (
        f"{_one_line(key, MAX_VALUE)}={_one_line(json.dumps(value, ensure_ascii=False), MAX_VALUE)}"
        for key, value in values.items()
    )
    return f"{name}({', '.join(shown)})"


def _one_line(text: str, length: int) -> str:
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length and len(text) <= 4 * length else line[:length] + "..."


def _indented(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
