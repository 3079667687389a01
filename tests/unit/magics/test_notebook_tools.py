"""Test the tools of ``%%power --tools notebook``, their questions and what they refuse."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell

from a3s_power_jupyter.client.calls import ToolCall
from a3s_power_jupyter.client.tools import Toolbox, ToolResult
from a3s_power_jupyter.display.answer_parts import Question
from a3s_power_jupyter.magics.live_text import LiveText
from a3s_power_jupyter.magics.notebook_tools import notebook_tools
from a3s_power_jupyter.magics.permission import MAX_QUESTION, Permission
from a3s_power_jupyter.magics.readable_files import MAX_TEXT, Files
from a3s_power_jupyter.magics.session import Session

NOTEBOOK = {
    "nbformat": 4,
    "cells": [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": "1/0",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
                {"output_type": "error", "traceback": ["\x1b[31mZeroDivisionError\x1b[0m"]},
                {"output_type": "display_data", "data": {"image/png": "x", "text/plain": "<Fig>"}},
            ],
        },
    ],
}


class Typed(LiveText):
    """Answers questions with what a test says, and keeps them."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def show(self, content: Any) -> None:
        raise AssertionError("only questions are shown")

    def finish(self) -> None:
        pass

    def ask(self, question: Question, prompt: str) -> str:
        self.questions.append(question.plain)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    shell = InteractiveShell()
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


def toolbox(shell: InteractiveShell, text: Typed, allowed: str | None = None) -> Toolbox:
    return Toolbox(notebook_tools(Session(shell), Permission(text, allowed)), max_result=20_000)


def call(box: Toolbox, name: str, **arguments: Any) -> ToolResult:
    return box.call(ToolCall("c", name, json.dumps(arguments)))


def allowed(shell: InteractiveShell, name: str, **arguments: Any) -> str:
    return call(toolbox(shell, Typed(), "all"), name, **arguments).text


def test_each_call_is_asked_about_with_what_it_would_do(shell: InteractiveShell) -> None:
    text = Typed("y", "", "a", "use x instead")
    box = toolbox(shell, text)
    assert call(box, "run_code", code="x = 2\nx + 1").text == "3"
    refused = call(box, "run_code", code="x = 3")
    assert refused.failed
    assert refused.text == "Refused: The user did not allow this call."
    assert call(box, "list_variables").text == "x: int = 2"
    assert call(box, "list_variables").text == "x: int = 2"  # always allowed by now
    assert call(box, "run_code", code="y").text == (
        "Refused: The user did not allow this call: use x instead"
    )
    assert text.questions == [
        "Run this code in the kernel (2 lines)?\nx = 2\nx + 1",
        "Run this code in the kernel (1 line)?\nx = 3",
        "List the variables of this notebook.",
        "Run this code in the kernel (1 line)?\ny",
    ]


def test_reading_may_be_allowed_without_questions(shell: InteractiveShell) -> None:
    text = Typed("no")
    box = toolbox(shell, text, "read")
    assert call(box, "list_variables").text == "There are no variables."
    assert call(box, "run_code", code="1").failed
    assert len(text.questions) == 1
    assert call(toolbox(shell, Typed(), "all"), "run_code", code="1").text == "1"


@pytest.mark.parametrize("error", [StdinNotImplementedError(), EOFError()])
def test_where_nothing_can_be_asked_nothing_is_allowed(
    shell: InteractiveShell, error: Exception
) -> None:
    result = call(toolbox(shell, Typed(error)), "run_code", code="1")
    assert result.text.startswith("Refused: The call is not allowed: this front end cannot ask")


def test_a_cell_that_can_ask_nothing_is_a_usage_error(shell: InteractiveShell) -> None:
    shell.get_parent = lambda: {"content": {"allow_stdin": False}}  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="--allow read"):
        toolbox(shell, Typed())
    assert not call(toolbox(shell, Typed(), "read"), "list_variables").failed


def test_hidden_text_is_shown_and_text_that_is_too_long_is_not_asked_about(
    shell: InteractiveShell,
) -> None:
    text = Typed("no")
    box = toolbox(shell, text)
    call(box, "run_code", code="1 #\u202e\u200b\x1b[8m")
    assert text.questions[0].endswith("\n1 #\\u202e\\u200b\\u001b[8m")
    result = call(box, "run_code", code="1" + " " * MAX_QUESTION)
    assert "cannot be checked by the user" in result.text
    assert len(text.questions) == 1


def test_wrong_names_and_arguments_are_not_asked_about(shell: InteractiveShell) -> None:
    box = toolbox(shell, Typed())
    assert "There is no tool 'run_cod'. Did you mean 'run_code'?" in call(box, "run_cod").text
    assert call(box, "run_code", cod="1").text == (
        "Invalid arguments: code: Missing required argument; cod: Unexpected keyword argument"
    )
    assert box.call(ToolCall("c", "run_code", '{"code": "1')).failed


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("print('a')\nprint('b')", "a\nb"),
        ("import sys; print('e', file=sys.stderr)\n'r'", "e\n'r'"),
        ("x = 1", "(no output)"),
        ("", "(no output)"),
        ("%precision 3", "'%.3f'"),
        ("from IPython.display import display; display({'a': 1})", "{'a': 1}"),
        ("print('\\x1b[31mred')", "red"),
    ],
)
def test_code_gives_its_output_and_its_value(shell: InteractiveShell, code: str, text: str) -> None:
    assert allowed(shell, "run_code", code=code) == text


@pytest.mark.parametrize(
    ("code", "start", "end"),
    [
        (
            "print('a')\ndef f():\n  raise KeyError(1)\nf()",
            "CodeFailed: a\n\nTraceback",
            "Error: 1",
        ),
        ("1 +", "CodeFailed:   File", "SyntaxError: invalid syntax"),
        ("await f()", "CodeFailed:   File", "SyntaxError: 'await' outside function"),
        ("raise SystemExit(3)", "CodeFailed: Traceback", "SystemExit: 3"),
    ],
)
def test_code_that_raises_gives_a_traceback_of_its_own_lines(
    shell: InteractiveShell, code: str, start: str, end: str
) -> None:
    text = allowed(shell, "run_code", code=code)
    assert text.startswith(start)
    assert text.endswith(end)
    assert "code_runner" not in text


def test_an_interrupt_of_code_is_no_result(shell: InteractiveShell) -> None:
    with pytest.raises(KeyboardInterrupt):
        allowed(shell, "run_code", code="raise KeyboardInterrupt")


def test_proposed_cells_become_one_cell(shell: InteractiveShell) -> None:
    proposed: list[str] = []
    shell.set_next_input = lambda text, replace: proposed.append(text)
    box = toolbox(shell, Typed("y", "y"))
    call(box, "add_cell", code="a = 1")
    call(box, "add_cell", code="b = 2")
    assert proposed == ["a = 1", "a = 1\n\nb = 2"]
    assert "a" not in shell.user_ns


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "out", "out/secret.txt", "..", "a\0b", "missing", "loop"],
)
def test_files_outside_the_folder_cannot_be_read(
    shell: InteractiveShell, tmp_path: Path, path: str
) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret.txt").write_text("secret")
    (tmp_path / "out").symlink_to(outside)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("read_file", "list_folder"):
        assert allowed(shell, name, path=path).startswith("LookupError: There is no")


def test_files_are_read_by_lines(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "long.csv").write_text("".join(f"{n}\n" for n in range(1, 1000)))
    (tmp_path / "line.txt").write_text("x" * 100_000)
    (tmp_path / ".env").write_text("KEY=1")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\0")
    os.mkfifo(tmp_path / "pipe")

    def read(path: str, **more: int) -> str:
        return allowed(shell, "read_file", path=path, **more)

    assert read("data/long.csv", first_line=3, line_count=2) == "3\n4\n\n[The file has more lines.]"
    assert read("./data/../data/long.csv", first_line=999) == "999\n"
    assert read("data/long.csv", first_line=2000) == "The file has fewer than 2000 lines."
    assert "cut: the first 20,000 of" in read("line.txt")
    assert "hidden" in read(".env")
    assert "not a text file" in read("image.png")
    assert "is a pipe" in read("pipe")
    assert "is a directory" in read("data")
    listing = allowed(shell, "list_folder")
    assert listing.splitlines()[:2] == ["data/", "image.png (6 bytes)"]
    assert ".env" not in listing


def test_the_saved_notebook_is_read_as_text(
    shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is not known" in allowed(shell, "read_notebook")
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(NOTEBOOK))
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    assert allowed(shell, "read_notebook") == (
        "The notebook has 2 cells.\n\n[0] markdown\n# Title\ntext\n\n"
        "[1] code\n1/0\nOutput:\na\nb\nZeroDivisionError\n<Fig>"
    )
    assert "[0]" not in allowed(shell, "read_notebook", start=1)
    path.write_text("[]")
    assert "is not a notebook of format 4" in allowed(shell, "read_notebook")


def test_the_history_has_sources_and_results(shell: InteractiveShell) -> None:
    assert allowed(shell, "read_history") == "No cell was run before this one."
    for code in ("x = 1", "x + 1", "# this cell"):
        shell.run_cell(code, store_history=True)
    assert allowed(shell, "read_history") == "[1]\nx = 1\n\n[2]\nx + 1\nResult:\n2"
    assert allowed(shell, "read_history", count=1) == "[2]\nx + 1\nResult:\n2"


class Odd(list[int]):
    def __len__(self) -> int:
        raise AssertionError("no code of the user runs")

    __repr__ = __len__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (1.5, "v: float = 1.5"),
        ("text", "v: str = 'text'"),
        (10**1000, "v: int = <integer of 3,322 bits>"),
        ([1, 2], "v: list (2 items) = [1, 2]"),
        ({"user": "me", "password": "sesame"}, "v: dict (2 items) = {'user': 'me', 'password': <"),
        (Odd(), "v: Odd (0 items) = []"),
        (object(), "v: object"),
    ],
)
def test_a_variable_has_its_type_size_and_beginning(
    shell: InteractiveShell, value: Any, line: str
) -> None:
    Odd.__module__ = "__main__"
    shell.user_ns["v"] = value
    assert allowed(shell, "list_variables").startswith(line)
    assert "sesame" not in allowed(shell, "list_variables")


def test_what_may_be_a_secret_is_not_listed(shell: InteractiveShell) -> None:
    shell.user_ns |= {"api_key": "sesame", "url": "https://me:sesame@example.org/", "n": 1}
    assert allowed(shell, "list_variables") == (
        "n: int = 1\n[left out, because they may be secrets: api_key, url]"
    )


def test_tables_are_shown_below_their_line(shell: InteractiveShell) -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    shell.user_ns |= {"a": numpy.zeros((2, 3)), "df": pandas.DataFrame({"x": [1], "token": ["s"]})}
    lines = allowed(shell, "list_variables").split("\n")
    assert lines[0].startswith("a: numpy.ndarray (shape (2, 3), float64) = [[0.0,")
    assert lines[1:3] == ["df: pandas.DataFrame (1 rows x 2 columns)", "\tx\ttoken"]
    assert "<left out: it may be a secret>" in lines[3]


def test_a_huge_file_is_not_read_as_a_whole(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("line\n" * 100_000)
    text = Files(tmp_path).lines(tmp_path / "large.txt", 1, 10**20)
    assert len(text) < 2 * MAX_TEXT
    assert text.endswith("[The file has more lines.]")
    assert "fewer than" in allowed(shell, "read_file", path="large.txt", first_line=10**20)
