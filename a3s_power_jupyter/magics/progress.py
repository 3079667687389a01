"""How a pull does, in one place of the output while it changes."""

from __future__ import annotations

import html
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from IPython.display import display

from .. import words
from .session import write

_WORDS = {
    "already_pulling": "under way",
    "waiting": "waiting",
    "resolving": "asking the hub",
    "planned": "asking the hub",
    "resuming": "going on",
    "downloading": "downloading",
    "verifying": "checking",
    "success": "done",
    "already_exists": "already here",
    "paused": "paused",
    "cancelled": "cancelled",
    "failed": "failed",
}


@dataclass(frozen=True)
class Progress:
    """What is known of a pull. Sizes are bytes, `rate` is bytes per second, `eta` seconds."""

    name: str
    status: str = "resolving"
    completed: int = 0
    total: int | None = None
    rate: float | None = None
    eta: float | None = None
    note: str = ""
    seconds: float = 0.0
    is_resumed: bool = False

    def after(self, event: dict[str, Any], seconds: float = 0.0) -> Progress:
        """What is known after `event`, which came `seconds` after the beginning."""
        return replace(
            self,
            status=event["status"],
            completed=event.get("completed", event.get("offset", self.completed)),
            total=event.get("total", self.total),
            rate=event.get("bytes_per_second"),
            eta=event.get("eta_seconds"),
            note=event.get("note", self.note),
            seconds=seconds,
            is_resumed=self.is_resumed or event["status"] in ("resuming", "already_pulling"),
        )

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the size is not known."""
        if self.status in ("success", "already_exists"):
            return 1.0
        return None if not self.total else self.completed / self.total

    @property
    def word(self) -> str:
        return _WORDS.get(self.status, self.status)

    @property
    def facts(self) -> str:
        """``49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left``"""
        if self.status == "success":
            return self._summary()
        facts = []
        if self.total:
            facts.append(f"{words.size(self.completed)} of {words.size(self.total)}")
        if self.rate is not None:
            facts.append(f"{words.size(round(self.rate))}/s" if self.rate else "nothing arrives")
        if self.eta is not None:
            facts.append(f"{words.duration(self.eta)} left")
        return ", ".join(facts)

    def _summary(self) -> str:
        size = words.size(self.total) if self.total else ""
        if self.is_resumed or self.seconds < 1:
            return size  # most of it may have come earlier
        return f"{size} in {words.duration(self.seconds)}"

    @property
    def text(self) -> str:
        """One line."""
        percent = "" if self.fraction is None else f" {self.fraction:.0%}"
        line = f"{self.name}: {self.word}{percent}"
        return ", ".join(filter(None, (line, self.facts)))

    @property
    def html(self) -> str:
        """A native progress bar; what it shows is also said in words."""
        name = html.escape(self.name, quote=True)
        value = "" if self.fraction is None else f' value="{self.fraction:.4f}" max="1"'
        words = html.escape(", ".join(filter(None, (self.word, self.facts))))
        note = f"<br><small>{html.escape(self.note)}</small>" if self.note else ""
        bar = f'<progress aria-label="Pull of {name}"{value} style="width: 20em"></progress> '
        if self.status == "failed" and not value:
            bar = ""  # one without a value would go on moving
        return f"<div><strong>{name}</strong><br>{bar}{words}{note}</div>"


class NotebookPlace:
    """One display, which a saved notebook keeps as it was last."""

    INTERVAL = 0.2  # seconds between two updates

    def __init__(self) -> None:
        self._handle: Any = None
        self._status = ""
        self._shown_at = float("-inf")

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.status == self._status and now - self._shown_at < self.INTERVAL:
            return
        self._status, self._shown_at = progress.status, now
        bundle = {"text/html": progress.html, "text/plain": progress.text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class TerminalPlace:
    """One line that is written over; where that cannot be, a line for each new status, and for
    each tenth."""

    def __init__(self) -> None:
        self._is_tty = sys.stdout.isatty()
        self._step: tuple[str, int] | None = None

    def show(self, progress: Progress) -> None:
        if self._is_tty:
            # A line that wraps could not be written over.
            write("\r\x1b[K" + progress.text[: shutil.get_terminal_size().columns - 1])
            return
        step = progress.status, int(10 * (progress.fraction or 0))
        if step != self._step:
            self._step = step
            write(progress.text + "\n")

    def end(self) -> None:
        if self._is_tty:
            write("\n")


@contextmanager
def place(in_notebook: bool) -> Iterator[Callable[[Progress], None]]:
    """Something to show a pull with; what it was given last stays."""
    if in_notebook:
        yield NotebookPlace().show
        return
    terminal = TerminalPlace()
    try:
        yield terminal.show
    finally:
        terminal.end()
