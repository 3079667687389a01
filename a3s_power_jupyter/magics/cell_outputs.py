"""Read the cells of a notebook file as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..contract.regular_file import read_regular
from ..contract.text import printable

#: Bytes of a notebook that is read.
MAX_NOTEBOOK = 50_000_000

#: Most characters of the outputs of a cell.
MAX_OUTPUTS = 4_000


class SavedCell(msgspec.Struct):
    """A cell of a notebook file. In the format, a text may be a list of lines."""

    cell_type: str
    source: str | list[str] = ""
    outputs: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        return joined(self.source)


class _Notebook(msgspec.Struct):
    cells: list[SavedCell]


def saved_cells(path: Path) -> list[SavedCell]:
    """Return the cells of a notebook file.

    Raises
    ------
    ValueError
        If it is not a notebook of format 4.
    OSError
        If it cannot be read.
    """
    try:
        return msgspec.json.decode(read_regular(path, MAX_NOTEBOOK), type=_Notebook).cells
    except msgspec.DecodeError as error:
        raise ValueError(f"{path.name} is not a notebook of format 4: {error}.") from None


def outputs_text(outputs: Iterable[dict[str, Any]]) -> str:
    """Return what outputs say as text, without images and other data."""
    text = printable("\n".join(filter(None, map(_output_text, outputs))))
    if len(text) <= MAX_OUTPUTS:
        return text
    return f"{text[:MAX_OUTPUTS]}\n[cut: the first {MAX_OUTPUTS:,} of {len(text):,} characters]"


def _output_text(output: dict[str, Any]) -> str:
    match output.get("output_type"):
        case "stream":
            return joined(output.get("text")).rstrip("\n")
        case "error":
            return joined(output.get("traceback"), "\n")
        case _:
            data = output.get("data")
            return joined(data.get("text/plain")) if isinstance(data, dict) else ""


def joined(text: Any, separator: str = "") -> str:
    if isinstance(text, list):
        return separator.join(map(str, text))
    return text if isinstance(text, str) else ""
