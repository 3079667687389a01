"""Test that common slips with the magics say what to write, in a real shell."""

from __future__ import annotations

import atexit
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from a3s_power_jupyter.magics.magics import load, unload

BELOW = "UsageError: The %%power line has only the name of a model and options. Write the question "
ONE = "UsageError: %%power sends a cell to a model. Write the command with one %: "


@pytest.fixture
def bare() -> Iterator[InteractiveShell]:
    shell = InteractiveShell()
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


@pytest.fixture
def shell(bare: InteractiveShell) -> InteractiveShell:
    load(bare)
    return bare


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%power smollm2 What is the capital?", BELOW),
        ("%%power smollm2 What is the capital?\nBe brief.", BELOW),
        ("%%power What is the capital?", BELOW),
        ("%%power smollm2 --system Be brief.\nHi", BELOW),
        ("%%power smollm2 What's the capital?\n", "Write the question below the %%power line."),
        ("%%power smollm2", "UsageError: The cell is empty. Write the question below"),
        ("%%power", "UsageError: The cell is empty. Write the question below"),
        ("\n%%power smollm2\n", "UsageError: The cell is empty. Write the question below"),
        ("%%power help", ONE + "%power help\n"),
        ("%%power help smollm2\nHi", ONE + "%power help\n"),
        ("%%power load smollm2", ONE + "%power load\n"),
        ("%power ask What is it", "To ask a model, write %%power NAME in the first line of a cell"),
        ("%power help smollm2", "To ask a model, write %%power NAME in the first line of a cell"),
        ("%power load smollm2 now", "'now' is too much: %power load takes NAME."),
    ],
)
def test_slips(
    shell: InteractiveShell, cell: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(cell)
    shown = capsys.readouterr()
    assert message in shown.out + shown.err


def test_help_in_a_cell_of_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run_cell("%%power --help").success
    assert capsys.readouterr().out.startswith("usage: %%power [MODEL]")


def test_a_terminal_still_waits_for_the_question(shell: InteractiveShell) -> None:
    assert shell.check_complete("%%power smollm2")[0] == "incomplete"
    assert shell.check_complete("%%power smollm2\nHi\n\n")[0] == "complete"


def test_other_cells_are_unchanged_and_unloading_removes_the_rest(bare: InteractiveShell) -> None:
    before = [*bare.input_transformers_cleanup]
    cells = ("%%time", "%%powerful x", "%%power m\nHi", "1 + 1", "%power", "")
    expected = [bare.transform_cell(cell) for cell in cells]
    load(bare)
    load(bare)
    assert len(bare.input_transformers_cleanup) == len(before) + 1
    assert [bare.transform_cell(cell) for cell in cells] == expected
    unload(bare)
    assert bare.input_transformers_cleanup == before
