"""How a pull does, in words: for a line of text, and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator

from msgspec import UNSET

from ..contract.types import PullStatus
from . import formatting

_PHASES = {
    "waiting": "waiting",
    "resolving": "asking the hub",
    "downloading": "downloading",
    "verifying": "checking",
}


def fraction(status: PullStatus) -> float | None:
    """0 to 1; None while the size is not known."""
    if status.status == "done":
        return 1.0
    return None if not status.total else status.completed / status.total


def word(status: PullStatus) -> str:
    """``downloading``, ``paused``, ..."""
    if status.status != "pulling":
        return status.status
    return _PHASES["resolving" if status.phase is UNSET else status.phase]


def facts(status: PullStatus) -> str:
    """``49.2 MB of 98.4 MB, 12.0 MB/s, 4 s left``"""
    return ", ".join(_facts(status))


def _facts(status: PullStatus) -> Iterator[str]:
    if status.total:
        whole = formatting.size(status.total)
        yield (
            whole if status.status == "done" else f"{formatting.size(status.completed)} of {whole}"
        )
    if status.status != "pulling":
        return
    if status.bytes_per_second is not UNSET:
        rate = status.bytes_per_second
        yield f"{formatting.size(round(rate))}/s" if rate else "nothing arrives"
    if status.eta_seconds is not UNSET:
        yield f"{formatting.duration(status.eta_seconds)} left"


def text(status: PullStatus) -> str:
    """One line."""
    done = fraction(status)
    percent = "" if done is None else f" {done:.0%}"
    return ", ".join(filter(None, (f"{status.name}: {word(status)}{percent}", facts(status))))


def markup(status: PullStatus) -> str:
    """HTML with a native progress bar; what it shows is also said in words."""
    name = html.escape(status.name, quote=True)
    done = fraction(status)
    value = "" if done is None else f' value="{done:.4f}" max="1"'
    bar = f'<progress aria-label="Pull of {name}"{value} style="width: 20em"></progress> '
    if not value and status.status != "pulling":
        bar = ""  # one without a value would go on moving
    said = html.escape(", ".join(filter(None, (word(status), facts(status)))))
    notes = "".join(f"<br><small>{html.escape(note)}</small>" for note in _notes(status))
    return f"<div><strong>{name}</strong><br>{bar}{said}{notes}</div>"


def _notes(status: PullStatus) -> Iterator[str]:
    if status.note is not UNSET:
        yield status.note
    if status.error is not UNSET:
        yield str(status.error.get("message", ""))
