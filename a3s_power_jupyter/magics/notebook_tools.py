"""Functions with which a model works in a notebook: ``%%power --tools notebook``.

They run in the kernel and know no page, so they work in every front end. Each call is checked by
`Permission` first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..display.answer_parts import Question
from ..display.variables import describe
from .cell_outputs import outputs_text, saved_cells
from .code_runner import run_code
from .permission import Permission
from .readable_files import Files, saved_notebook
from .session import Session


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
        """List the variables of the notebook: name, type, size, and the beginning of the value."""
        self._reads("list_variables", "List the variables of this notebook.")
        found = describe(self._session.variables)
        secrets = ", ".join(found["secrets"])
        lines = [
            *(_variable(variable) for variable in found["variables"]),
            *([f"[left out, because they may be secrets: {secrets}]"] if secrets else []),
            *([f"[{found['more']} more variables]"] if found["more"] else []),
        ]
        return "\n".join(lines) or "There are no variables."

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


def _variable(described: dict[str, str]) -> str:
    """Return a variable as text: ``x: list (2 items) = [1, 2]``, or with a table below."""
    size, text = described["size"], described["text"]
    line = f"{described['name']}: {described['type']}" + (f" ({size})" if size else "")
    if not text:
        return line
    return f"{line}\n{text}" if "\n" in text else f"{line} = {text}"
