"""Describe the status of a pull as text and as HTML.

`labextension/src/views/pulls.ts` has the same functions for the browser. Both are tested with the
cases in `tests/support/pull_display_cases.json`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from ..contract.text import printable
from ..contract.types import PullStatus
from . import formatting, output
from .markup import escape
from .output import Output


def fraction(status: PullStatus) -> float | None:
    """Return the progress from 0 to 1; None if the size is unknown or the pull was cancelled."""
    if status.status == "done":
        return 1.0
    if status.status == "cancelled" or not status.total:
        return None
    return min(1.0, status.completed / status.total)


def label(status: PullStatus) -> str:
    """Return the state in a word or two, for example ``downloading`` or ``already here``."""
    if status.already_exists is True:
        return "already here"
    if status.status != "pulling":
        return status.status
    return "resolving" if status.phase is UNSET else status.phase


def facts(status: PullStatus) -> str:
    """Return the size, rate and time left: ``49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left``."""
    return ", ".join(_facts(status))


def _facts(status: PullStatus) -> Iterator[str]:
    if status.total and status.status != "cancelled":
        total = formatting.size(status.total)
        completed = formatting.size(status.completed)
        yield total if status.status == "done" else f"{completed} of {total}"
    if status.status != "pulling":
        return
    if status.bytes_per_second is not UNSET:
        rate = status.bytes_per_second
        yield f"{formatting.size(round(rate))}/s" if rate else "stalled"
    if status.eta_seconds is not UNSET:
        yield f"{formatting.duration(status.eta_seconds)} left"


def summary(status: PullStatus) -> str:
    """Return the label, the percentage and the facts."""
    done = fraction(status)
    hidden = done is None or status.status == "done"
    percent = "" if hidden else f" {math.floor((done or 0) * 100)}%"
    return ", ".join(filter(None, (label(status) + percent, facts(status))))


def note(status: PullStatus) -> str:
    """Return the sentence about the pull, if it still applies; empty if there is none."""
    if status.note is UNSET or status.status in ("failed", "cancelled"):
        return ""
    return status.note


def text(status: PullStatus) -> str:
    """Return the name and the summary in one line, and what the pull is waiting for."""
    waiting = f". {status.note}" if status.phase == "waiting" and status.note else ""
    return printable(f"{status.name}: {summary(status)}{waiting}")


def markup(status: PullStatus) -> str:
    """Return HTML with a progress bar, and with the name, the summary and any note or error."""
    label_of_bar = html.escape(f"Pull of {status.name}")
    done = fraction(status)
    value = "" if done is None else f' value="{done:.4f}" max="1"'
    bar = f'<progress aria-label="{label_of_bar}"{value} style="width: 20em"></progress> '
    if not value and status.status != "pulling":
        bar = ""  # a bar without a value is animated
    notes = "".join(f'<br><small dir="auto">{escape(note)}</small>' for note in _notes(status))
    line = escape(summary(status))
    name = f'<strong dir="auto">{escape(status.name)}</strong>'
    return f"<div>{name}<br>{bar}{line}{notes}</div>"


def _notes(status: PullStatus) -> Iterator[str]:
    if note(status):
        yield note(status)
    if status.error is not UNSET:
        yield str(status.error.get("message", ""))


def table(statuses: Sequence[PullStatus], *, empty: str) -> Output:
    """Render a table of pulls, or the sentence `empty`."""
    rows = [(status.name, label(status), facts(status), _details(status)) for status in statuses]
    return output.table(("Name", "Status", "Progress", "Details"), rows, empty=empty)


def _details(status: PullStatus) -> str:
    return note(status) if status.error is UNSET else str(status.error.get("message", ""))
