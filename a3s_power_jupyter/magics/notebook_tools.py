"""Functions with which a model works in a notebook: ``%%power --tools notebook``.

They run in the kernel and know no page, so they work in every front end. Each call is checked by
`Permission` first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..display.answer_parts import Question
from .cell_outputs import outputs_text, saved_cells
from .code_runner import run_code
from .permission import Permission
from .readable_files import Files, saved_notebook
from .session import Session

#: Most characters of a value in the list of variables.
MAX_VALUE = 80

#: Most variables in the list.
MAX_VARIABLES = 200

#: Types with a short and harmless text.
_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, dict, set, frozenset, str, bytes)


def notebook_tools(session: Session, permission: Permission) -> list[Callable[..., Any]]:
    """Return the functions for one cell.

    Raises
    ------
    UsageError
        If the front end can ask the user nothing, and no call is allowed without a question.
    """
    permission.check_front_end(session.shell)
    tools = NotebookTools(session, permission)
    return [
        tools.list_variables,
        tools.read_history,
        tools.read_notebook,
        tools.list_folder,
        tools.read_file,
        tools.run_code,
        tools.add_cell,
    ]


class NotebookTools:
    """The tools of one cell. The docstrings of its methods are for the model."""

    def __init__(self, session: Session, permission: Permission) -> None:
        self._session = session
        self._shell = session.shell
        self._permission = permission
        self._files = Files(Path.cwd())
        self._notebook = saved_notebook(session.shell.user_ns)
        self._added: list[str] = []

    def list_variables(self) -> str:
        """List the variables of the notebook: name, type, size, and the value if it is short."""
        self._reads("list_variables", "List the variables of this notebook.")
        described = [
            describe_variable(name, value)
            for name, value in sorted(self._session.variables.items())
            if not name.startswith("_") and not isinstance(value, type(sys))
        ]
        return _lines(described, MAX_VARIABLES, "variables") or "There are no variables."

    def read_history(self, count: int = 10) -> str:
        """Read the cells that were run last, with their results. `count` is the number of cells."""
        count = max(1, count)
        self._reads("read_history", f"Read the last {count} cells that were run.")
        history: Any = self._shell.history_manager
        sources = history.input_hist_raw
        before = range(1, len(sources) - 1)  # 0 is empty, and the last one is this cell
        results = history.output_hist_reprs
        cells = [
            f"[{n}]\n{sources[n]}" + (f"\nResult:\n{results[n]}" if n in results else "")
            for n in before[-count:]
        ]
        return "\n\n".join(cells) or "No cell was run before this one."

    def read_notebook(self, start: int = 0, count: int = 20) -> str:
        """Read cells of the notebook as it was saved, with their outputs as text.

        `start` is the index of the first cell, and `count` the number of cells.
        """
        if self._notebook is None:
            raise LookupError("The file of this notebook is not known. Use read_history.")
        what = f"Read cells {start} to {start + count - 1} of {self._notebook.name}."
        self._reads("read_notebook", what)
        cells = saved_cells(self._notebook)
        shown = [
            f"[{index}] {cell.cell_type}\n{cell.text}"
            + (f"\nOutput:\n{outputs_text(cell.outputs)}" if cell.outputs else "")
            for index, cell in enumerate(cells)
            if start <= index < start + count
        ]
        return "\n\n".join([f"The notebook has {len(cells)} cells.", *shown])

    def list_folder(self, path: str = ".") -> str:
        """List the files of a folder. `path` is relative to the folder of the notebook."""
        folder = self._files.resolve(path)
        self._reads("list_folder", f"List the folder {folder}")
        return self._files.listing(folder)

    def read_file(self, path: str, first_line: int = 1, line_count: int = 200) -> str:
        """Read lines of a text file. `path` is relative to the folder of the notebook."""
        file = self._files.resolve(path)
        first_line, line_count = max(1, first_line), max(1, line_count)
        what = f"Read the file {file}, lines {first_line} to {first_line + line_count - 1}"
        self._reads("read_file", what)
        return self._files.lines(file, first_line, line_count)

    def run_code(self, code: str) -> str:
        """Run Python code with the notebook's variables. Returns what it prints and its result."""
        lines = code.count("\n") + 1
        what = f"Run this code in the kernel ({lines} {'line' if lines == 1 else 'lines'})?"
        self._permission.check("run_code", Question(what, code), reads=False)
        return run_code(self._shell, code)

    def add_cell(self, code: str) -> str:
        """Propose code as a new cell below this one. It is not run."""
        self._permission.check("add_cell", Question("Add this as a new cell?", code), reads=False)
        self._added.append(code)
        # A front end makes one cell of an answer, the last that it is sent.
        self._shell.set_next_input("\n\n".join(self._added), replace=False)
        return "The new cell has been added. It was not run."

    def _reads(self, name: str, what: str) -> None:
        self._permission.check(name, Question(what), reads=True)


def describe_variable(name: str, value: Any) -> str:
    """Return one line about a variable. No code of the user's own classes runs."""
    kind = type(value)
    parts = [f"{name}: {kind.__name__}"]
    size = _size(value)
    if size:
        parts.append(size)
    if kind in _SIMPLE:
        parts.append(f"= {_short(value)}")
    return " ".join(parts)


def _size(value: Any) -> str:
    if type(value) in _CONTAINERS:
        return f"({len(value)} {'characters' if type(value) is str else 'items'})"
    package = type(value).__module__.partition(".")[0]
    if package in ("numpy", "pandas", "polars", "torch", "jax", "tensorflow", "xarray"):
        shape = getattr(value, "shape", None)
        columns = list(map(str, getattr(value, "columns", ())))[:50]
        named = f" with the columns {', '.join(columns)}" if columns else ""
        return f"{tuple(shape)}{named}" if shape is not None else ""
    return ""


def _short(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        value = value[: MAX_VALUE + 1]  # the repr of a large one takes long
    elif isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length():,} bits"
    text = repr(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."


def _lines(lines: list[str], most: int, what: str) -> str:
    more = [f"[{len(lines) - most} more {what}]"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])
