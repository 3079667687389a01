"""Remember which cells of a session have raised, for ``%power explain`` and ``%power fix``."""

from __future__ import annotations

import linecache
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..contract.tracebacks import without_internals

#: Cells whose errors are remembered.
MAX_CELLS = 100

#: Frames of a traceback that a model gets.
MAX_FRAMES = 8

#: Most characters of a traceback. The message of an error can have any length.
MAX_ERROR = 8_000

#: Commands whose own errors nobody wants to have explained.
_COMMANDS = ("%power explain", "%power fix")


@dataclass(frozen=True)
class Failure:
    """A cell that raised.

    Attributes
    ----------
    number : int
        Its number in the history; 0 if it is not known.
    """

    number: int
    source: str
    error: str


class Failures:
    """The cells that have raised between `listen` and `close`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._cells: dict[int, Failure] = {}
        self._last: Failure | None = None
        self._raised: set[int] = set()

    def listen(self) -> None:
        self._shell.events.register("post_run_cell", self._note)

    def close(self) -> None:
        self._shell.events.unregister("post_run_cell", self._note)

    @property
    def last(self) -> Failure | None:
        """The cell with the last error, also if it was raised before the magics were loaded."""
        return self._last or _failure_before()

    def of(self, number: int) -> Failure | None:
        """Return the error of a cell, by its number in the history."""
        return self._cells.get(number)

    def has_raised(self, number: int) -> bool:
        """Whether a cell raised anything, also if the user ended it."""
        return number in self._raised

    def _note(self, result: Any) -> None:
        error = result.error_before_exec or result.error_in_exec
        if error is not None and result.execution_count is not None:
            self._raised.add(result.execution_count)
        source = getattr(result.info, "raw_cell", None) or ""
        is_own = source.strip().startswith(_COMMANDS)
        if error is None or is_own or isinstance(error, (KeyboardInterrupt, SystemExit)):
            return
        failure = Failure(result.execution_count or 0, source, as_text(error))
        self._last = failure
        self._cells[failure.number] = failure
        while len(self._cells) > MAX_CELLS:
            del self._cells[next(iter(self._cells))]


def _failure_before() -> Failure | None:
    """Return the error that IPython keeps, with the cell whose lines are known."""
    error = getattr(sys, "last_value", None)
    if error is None:
        return None
    frames = [entry.filename for entry in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(error.filename)
    for name in frames:
        if "ipython-input" in name or "ipykernel" in name:
            return Failure(0, "".join(linecache.getlines(name)), as_text(error))
    return None


def as_text(error: BaseException) -> str:
    """Return the traceback of a cell, without the frames of IPython and of this package."""
    if isinstance(error, SyntaxError):
        return _cut("".join(traceback.format_exception_only(error)).rstrip())
    frames = without_internals(error.__traceback__)
    if frames is not None and "IPython" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames, limit=-MAX_FRAMES, chain=False)
    return _cut("".join(lines).rstrip())


def _cut(text: str) -> str:
    """Leave out the middle of a long text: its ends say where the error is, and what it is."""
    half = MAX_ERROR // 2
    return text if len(text) <= MAX_ERROR else f"{text[:half]}\n[...]\n{text[-half:]}"
