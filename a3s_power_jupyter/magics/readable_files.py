"""Text files that a model may ask to read: those below one folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..contract.regular_file import open_regular

#: Most characters of a line.
MAX_LINE = 2_000

#: Characters after which no more lines are read. A model gets less.
MAX_TEXT = 100_000

#: Most entries of a folder.
MAX_ENTRIES = 200


class Files:
    """The files below a folder.

    Symbolic links that lead out of it, and hidden files, which often have secrets, do not count.

    Parameters
    ----------
    folder : Path
        The folder of the notebook.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def resolve(self, path: str) -> Path:
        """Return the path of an existing file or folder, without symbolic links.

        Raises
        ------
        LookupError
            If there is none that may be read.
        """
        try:
            found = (self._folder / path).resolve(strict=True)
            inner = found.relative_to(self._folder)
        except (OSError, ValueError, RuntimeError):
            raise LookupError(
                f"There is no {path!r} below the folder of the notebook, {self._folder}."
            ) from None
        if any(part.startswith(".") for part in inner.parts):
            raise LookupError(f"{path!r} is hidden, so it cannot be read.")
        return found

    def listing(self, folder: Path) -> str:
        """Return one line for each entry, with the sizes of files."""
        with os.scandir(folder) as entries:
            shown = sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
        lines = [_entry(entry) for entry in shown[:MAX_ENTRIES]]
        if len(shown) > MAX_ENTRIES:
            lines.append(f"[{len(shown) - MAX_ENTRIES} more]")
        return "\n".join(lines) or "The folder is empty."

    def lines(self, file: Path, first: int, count: int) -> str:
        """Return lines of a text file. The first one has the number 1.

        Raises
        ------
        ValueError
            If the file is not text.
        """
        descriptor = open_regular(file)
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as text:
            if "\0" in text.read(4096):
                raise ValueError(f"{file.name} is not a text file.")
            text.seek(0)
            lines = iter(lambda: text.readline(MAX_LINE), "")
            start = first - 1
            missing = start - sum(1 for _ in islice(lines, min(start, sys.maxsize)))
            read: list[str] = []
            left = MAX_TEXT
            while not missing and left > 0 and len(read) < count and (line := next(lines, "")):
                read.append(line)
                left -= len(line)
            rest = next(lines, "")
        if not read:
            return f"The file has fewer than {first} lines."
        return "".join(read) + ("\n[The file has more lines.]" if rest else "")


def saved_notebook(variables: Mapping[str, Any]) -> Path | None:
    """Return the file of the notebook, which Jupyter Server and VS Code tell its kernel."""
    for name in (variables.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")):
        path = Path(name) if isinstance(name, str) else Path()
        if path.suffix == ".ipynb" and path.is_absolute() and path.is_file():
            return path
    return None


def _entry(entry: os.DirEntry[str]) -> str:
    if entry.is_dir():
        return f"{entry.name}/"
    return f"{entry.name} ({entry.stat(follow_symlinks=False).st_size:,} bytes)"
