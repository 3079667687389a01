"""Tracebacks in IPython and notebooks: the user's own frames, without those of this package.

IPython calls the method ``_render_traceback_`` of an exception. Plain Python does not, so scripts
have whole tracebacks. ``%tb`` shows the whole traceback of the last error in IPython as well.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def rendered(error: BaseException) -> list[str]:
    """Return the lines of IPython's traceback of an error of this package."""
    formatter = _formatter()
    traceback = error.__traceback__
    if is_raised_now(error):
        traceback = without_internals(traceback)
    if traceback is None or traceback.tb_next is None:  # the first frame is IPython's
        lines: list[str] = formatter.get_exception_only(type(error), error)
    else:
        lines = formatter.structured_traceback(type(error), error, traceback)
    return lines


def is_raised_now(error: BaseException) -> bool:
    """Return whether an error ends the running cell, unlike the one that ``%tb`` shows again."""
    return sys.exc_info()[1] is error


def without_internals(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package and of the libraries that it calls.

    Frames of functions that the user gave to this package, such as tools, remain.
    """
    kept: list[TracebackType] = []
    is_inside = False
    for entry in _entries(traceback):
        is_ours = _is_ours(entry.tb_frame)
        is_inside = is_inside or is_ours
        if not is_inside or not (is_ours or _is_installed(entry.tb_frame)):
            kept.append(entry)
    shortened: TracebackType | None = None
    for entry in reversed(kept):
        shortened = TracebackType(shortened, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shortened


class Quiet:
    """The traceback of an interrupt in one line, as the attribute ``_render_traceback_`` of it.

    The notes of the interrupt follow.

    Parameters
    ----------
    text : str
        The line; by default, it says which line of the user's code was running.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text

    def __call__(self) -> list[str]:
        # A reference to the error would keep it and its frames alive.
        error = sys.exc_info()[1]
        if error is None:
            return _last_traceback()
        return [self._text or f"Interrupted{_place(error)}", *getattr(error, "__notes__", ())]


def quieten(interrupt: KeyboardInterrupt, text: str = "") -> KeyboardInterrupt:
    """Show an interrupt as one line in IPython. The cell still ends as an interrupted one."""
    interrupt._render_traceback_ = Quiet(text)  # type: ignore[attr-defined]
    return interrupt


def _place(error: BaseException) -> str:
    *_, last = [None, *_entries(without_internals(error.__traceback__))]
    if last is None:
        return "."
    code = linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno).strip()
    return f" at line {last.tb_lineno}" + (f": {code}" if code else ".")


def _last_traceback() -> list[str]:
    """Return the whole traceback that ``%tb`` asks for."""
    error = sys.last_value
    lines: list[str] = _formatter().structured_traceback(type(error), error, sys.last_traceback)
    return lines


def _formatter() -> Any:
    """Return the object of the shell that formats tracebacks in the mode that the user chose."""
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance().InteractiveTB


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0] == _PACKAGE


def _is_installed(frame: FrameType) -> bool:
    """Return whether a frame is of the standard library or an installed package."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return frame.f_code.co_filename.startswith(tuple(folders))
