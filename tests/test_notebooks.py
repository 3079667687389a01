"""The notebooks, run top to bottom in a kernel under a real server, with the real model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from kernel_cells import Cell, Kernel
from servers import Server

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def run_notebook(name: str, server: Server) -> dict[str, Cell]:
    """The code cells of a notebook after they ran, by their ids."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    done: dict[str, Cell] = {}
    with Kernel(server) as kernel:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                done[cell.id] = kernel.run(cell.source)
                assert done[cell.id].status == "ok", f"cell {cell.id}: {done[cell.id].outputs}"
                assert not done[cell.id].stderr
    return done


def text_of(cell: Cell) -> str:
    """All that is shown under a cell, as text."""
    return "\n".join([cell.stdout, *cell.texts("text/plain")])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_quickstart(start_server: Callable[..., Server]) -> None:
    server = start_server()
    cells = run_notebook("01_quickstart.ipynb", server)
    assert "Q4_1" in text_of(cells["register-code"])
    assert "smollm2" in text_of(cells["list"])
    assert "Paris" in text_of(cells["ask-code"])
    assert "Paris" in text_of(cells["variables-code"])
    assert "Tokyo" in text_of(cells["variables-ask"])
    assert "sea" in cells["python-code"].stdout
    assert server.url in cells["openai-code"].stdout
    assert "Rome" in cells["openai-code"].stdout
    assert "array" in text_of(cells["embeddings-code"])
    assert "smollm2" in text_of(cells["ps"])
    assert server.url in text_of(cells["doctor"])
    with server.api() as api:
        assert api.get("v1/models/smollm2").json()["state"] == "unloaded"
    # Nothing that it leaves behind keeps it from being run again.
    assert "Paris" in text_of(run_notebook("01_quickstart.ipynb", server)["ask-code"])
