"""Test ``%power explain`` and ``%power fix`` in a kernel, with a scripted upstream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.kernel_cells import Cell, Kernel
from support.lab_page import UPSTREAM_KEY, register_remote
from support.servers import run_server
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

WRONG = "total = 0\nfor number in [1, 2]:\n    total += nummber"
RIGHT = WRONG.replace("nummber", "number")
FIXED = f"Here it is:\n\n```python\n{RIGHT}\n```\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("assisting")
    with run_server(folder, environ={UPSTREAM_KEY: KEY}) as server, Kernel(server) as kernel:
        register_remote(server, upstream, "says")
        assert kernel.run("1 / 0").status == "error"  # before the magics are loaded
        assert kernel.run("%load_ext a3s_power_jupyter").status == "ok"
        yield kernel


def question(upstream: Upstream) -> str:
    text: str = upstream.bodies[-1]["messages"][-1]["content"]
    return text


def proposed(cell: Cell) -> list[Any]:
    return [part["text"] for part in cell.payload if part["source"] == "set_next_input"]


def test_an_error_before_the_magics_were_loaded_is_explained(
    kernel: Kernel, upstream: Upstream
) -> None:
    upstream.says = "A number cannot be divided by **zero**."
    cell = kernel.run("%power explain 'Why is {that} so?'")
    assert cell.status == "ok", cell.errors
    assert upstream.says in cell.texts("text/plain")[-1]
    asked = question(upstream)
    assert "```python\n1 / 0\n```" in asked
    assert "ZeroDivisionError: division by zero" in asked
    assert "Why is {that} so?" in asked


def test_the_corrected_code_is_the_next_cell_and_is_not_run(
    kernel: Kernel, upstream: Upstream
) -> None:
    kernel.run("before = 1")
    assert kernel.run(WRONG).status == "error"
    upstream.says = FIXED
    cell = kernel.run("%power fix --model says Keep the loop")
    assert cell.status == "ok", cell.errors
    assert proposed(cell) == [RIGHT]
    assert [part["replace"] for part in cell.payload] == [False]
    assert "It has not been run." in cell.texts("text/plain")[-1]
    asked = question(upstream)
    for part in (f"```python\n{WRONG}\n```", "name 'nummber' is not defined", "before = 1"):
        assert part in asked
    assert "Keep the loop" in asked
    assert "site-packages" not in asked
    assert kernel.run("print(total)").stdout == "0\n"
    # The error is still the last one, and the conversation can go on.
    assert proposed(kernel.run("%power fix")) == [RIGHT]
    kernel.run("%%power says --continue\nThanks")
    assert len(upstream.bodies[-1]["messages"]) == 4


def test_the_line_of_a_cell_magic_is_kept(kernel: Kernel, upstream: Upstream) -> None:
    assert kernel.run("%%time\nmissing").status == "error"
    upstream.says = "```python\nmissing = 1\n```"
    assert proposed(kernel.run("%power fix")) == ["%%time\nmissing = 1"]
    assert "%%time" not in question(upstream).partition("```")[2].partition("```")[0]


def test_cells_before_have_their_language_and_raised_nothing(
    kernel: Kernel, upstream: Upstream
) -> None:
    kernel.run("first_value = 1")
    assert kernel.run("second_value = missing_name").status == "error"
    assert kernel.run("%%bash\nmissing_command").status == "error"
    upstream.says = "```bash\nls\n```"
    assert proposed(kernel.run("%power fix")) == ["%%bash\nls"]
    code, _, before = question(upstream).partition("These cells ran before it:")
    assert "```bash\nmissing_command\n```" in code
    assert "second_value" not in before
    assert before.lstrip().startswith("```python\n")
    assert "first_value = 1\n```" in before


def test_an_answer_without_code_proposes_nothing(kernel: Kernel, upstream: Upstream) -> None:
    assert kernel.run("missing_name").status == "error"
    for says, expected in (
        ("I cannot help.", "no new cell"),
        ("```bash\nls\n```", "no code in python, but in bash"),
        ("```python\nmissing_name\n```", "no change"),
    ):
        upstream.says = says
        cell = kernel.run("%power fix")
        assert cell.status == "ok"
        assert proposed(cell) == []
        assert expected in cell.texts("text/plain")[-1]


def test_an_answer_that_is_cut_off_says_so(kernel: Kernel, upstream: Upstream) -> None:
    assert kernel.run("missing_name").status == "error"
    upstream.says, upstream.finish_reason = "```python\nx = [", "length"
    try:
        cell = kernel.run("%power fix")
    finally:
        upstream.finish_reason = "stop"
    assert proposed(cell) == ["x = ["]
    assert "may not be complete" in cell.texts("text/plain")[-1]


def test_a_cell_of_the_history_is_explained(kernel: Kernel, upstream: Upstream) -> None:
    upstream.says = "It sets x."
    number = int(kernel.run("print(len(In) - 1)").stdout)
    assert kernel.run(f"%power explain --cell {number}").status == "ok"
    assert "print(len(In) - 1)" in question(upstream)
    assert "error" not in question(upstream)
    assert "raised no error" in kernel.run(f"%power fix --cell {number}").stderr
    assert "There is no cell 9999" in kernel.run("%power explain --cell 9999").stderr
