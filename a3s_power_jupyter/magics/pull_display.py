"""How a pull does, in one place of the output while it changes."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from IPython.display import display
from msgspec import UNSET

from ..client import Client
from ..contract.types import PullStatus
from ..display import pull_progress
from .session import write

if TYPE_CHECKING:
    from ..widgets import PullProgress

#: The phase that an event's status stands for; another one ends the pull.
_PHASES = {
    "waiting": "waiting",
    "resolving": "resolving",
    "planned": "resolving",
    "already_pulling": "resolving",
    "resuming": "downloading",
    "downloading": "downloading",
    "verifying": "verifying",
}
_ENDS = {"success": "done", "already_exists": "done"}


def after(status: PullStatus, event: dict[str, Any]) -> PullStatus:
    """What is known of a pull after one of its events."""
    said = event["status"]
    runs = said in _PHASES
    rate, eta = event.get("bytes_per_second"), event.get("eta_seconds")
    return msgspec.structs.replace(
        status,
        status="pulling" if runs else _ENDS.get(said, said),
        phase=_PHASES[said] if runs else UNSET,
        completed=event.get("completed", event.get("offset", status.completed)),
        total=event.get("total", status.total),
        bytes_per_second=UNSET if rate is None else rate,
        eta_seconds=UNSET if eta is None else eta,
        note=event.get("note", status.note),
    )


class NotebookPlace:
    """The widget of the pull; a saved notebook keeps what it showed at the end.

    It is told what the cell hears, for pages that cannot ask the server while the cell runs.
    """

    INTERVAL = 0.2  # seconds between two updates

    def __init__(self, client: Client) -> None:
        self._client = client
        self._widget: PullProgress | None = None
        self._handle: Any = None
        self._told: tuple[object, object] = (None, None)
        self._told_at = float("-inf")

    def show(self, status: PullStatus) -> None:
        now = time.monotonic()
        state = status.status, status.phase
        if state == self._told and now - self._told_at < self.INTERVAL:
            return
        self._told, self._told_at = state, now
        if self._widget is None:
            self._widget = self._client.pull_widget(status.name)
        self._widget.status = msgspec.to_builtins(status)
        if self._handle is None:
            self._handle = display(self._widget, display_id=True)

    def end(self) -> None:
        if self._handle is not None:
            self._handle.update(self._widget)


class TerminalPlace:
    """One line that is written over; where that cannot be, a line for each new status, and for
    each tenth."""

    def __init__(self) -> None:
        self._is_tty = sys.stdout.isatty()
        self._step: tuple[str, int] | None = None

    def show(self, status: PullStatus) -> None:
        if self._is_tty:
            # A line that wraps could not be written over.
            line = pull_progress.text(status)[: shutil.get_terminal_size().columns - 1]
            write("\r\x1b[K" + line)
            return
        step = pull_progress.word(status), int(10 * (pull_progress.fraction(status) or 0))
        if step != self._step:
            self._step = step
            write(pull_progress.text(status) + "\n")

    def end(self) -> None:
        if self._is_tty:
            write("\n")


@contextmanager
def place(client: Client, *, in_notebook: bool) -> Iterator[Callable[[PullStatus], None]]:
    """Something to show a pull with; what it was given last stays."""
    chosen = NotebookPlace(client) if in_notebook else TerminalPlace()
    try:
        yield chosen.show
    finally:
        chosen.end()
