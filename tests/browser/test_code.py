"""Fix errors and write code in notebooks and files, with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.lab_page import (
    SECONDS,
    axe_violations,
    each_theme,
    register_remote,
    run_cell,
    wait_for_kernel,
    write_notebook,
)
from support.upstream_server import run_upstream

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

WRONG = "total = 0\nfor number in [1, 2]:\n    total += nummber\nprint(total)"
RIGHT = WRONG.replace("nummber", "number")


def test_fix_an_error_and_write_code(
    open_lab: Callable[..., Lab], lab_root: Path, images: Path, tmp_path: Path
) -> None:
    with run_upstream() as upstream:
        lab = open_lab("Light", write_notebook(tmp_path / "fix.ipynb", "x = 1", WRONG))
        page = lab.page
        register_remote(lab.server, upstream, "says")
        upstream.says = f"Here it is:\n\n```python\n{RIGHT}\n```\n"
        wait_for_kernel(page)
        bar, diff = page.locator(".a3s-errorbar"), page.locator(".a3s-diff")
        cell = page.locator(".jp-CodeCell").nth(1)
        code = cell.locator(".jp-InputArea-editor .cm-content")

        def source() -> str:
            return code.inner_text().replace("\n\n", "\n")

        run_cell(page, 1)
        expect(bar).to_be_visible(timeout=30 * SECONDS)
        bar.get_by_role("button", name="Fix").click()
        accept = diff.get_by_role("button", name="Accept", exact=True)
        expect(accept).to_be_visible(timeout=30 * SECONDS)
        expect(diff.get_by_role("status")).to_have_text("1 change")
        assert source() == WRONG
        for theme in each_theme(page):
            cell.screenshot(path=images / f"fix-{theme}.png")
            assert axe_violations(page, ".a3s-diff") == []
            assert axe_violations(page, ".a3s-errorbar") == []

        # A change of the cell meanwhile is not lost: the proposal cannot be accepted until undone.
        code.click()
        page.keyboard.press("Control+End")
        page.keyboard.type("#")
        expect(accept).to_be_disabled()
        expect(diff.get_by_role("status")).to_contain_text("has been changed since")
        page.keyboard.press("Backspace")
        expect(accept).to_be_enabled()

        # Nothing of ours is in the saved notebook.
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-mod-dirty")).to_have_count(0)
        saved = (lab_root / "fix.ipynb").read_text()
        assert json.loads(saved)["cells"][1]["source"] == WRONG.splitlines(keepends=True)
        assert "a3s" not in saved

        accept.click()
        expect(diff).to_have_count(0)
        assert source() == RIGHT
        expect(bar).to_have_count(0)  # the error is that of the old code
        page.keyboard.press("Control+z")  # the editor has the focus, and it is one step
        assert source() == WRONG
        expect(bar).to_be_visible()

        # With the keyboard alone: the prompt at the cursor, and reject.
        page.keyboard.press("Control+End")
        page.keyboard.press("Control+k")
        box = page.get_by_label("What code to write here")
        expect(box).to_be_focused()
        page.keyboard.type("Print it twice")
        upstream.says = "```python\nprint(total)\n```"
        page.keyboard.press("Enter")
        expect(accept).to_be_visible(timeout=30 * SECONDS)
        assert "Print it twice" in upstream.bodies[-1]["messages"][-1]["content"]
        page.keyboard.press("Escape")
        expect(diff).to_have_count(0)
        assert source() == WRONG

        # An answer without code is shown, and changes nothing.
        upstream.says = "I cannot help with that."
        bar.get_by_role("button", name="Fix").click()
        expect(diff).to_contain_text("has not written code", timeout=30 * SECONDS)
        expect(diff).to_contain_text("I cannot help with that.")
        expect(accept).to_be_hidden()
        diff.get_by_role("button", name="Close").click()

        code.click()
        page.keyboard.press("Control+a")
        page.keyboard.type("y = 2")
        page.keyboard.press("Control+Enter")
        expect(bar).to_have_count(0)


def test_the_cells_above_are_those_that_ran_as_they_are(
    open_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    cells = ("x = 1", "y = 2", "z = missing", "%%bash\nmissing_command")
    with run_upstream() as upstream:
        lab = open_lab("Light", write_notebook(tmp_path / "above.ipynb", *cells))
        page = lab.page
        register_remote(lab.server, upstream, "says")
        upstream.says = "```bash\nls\n```"
        wait_for_kernel(page)
        bars = page.locator(".a3s-errorbar")
        run_cell(page, 0)
        run_cell(page, 1)
        run_cell(page, 2)
        expect(bars).to_have_count(1, timeout=30 * SECONDS)
        run_cell(page, 3)
        expect(bars).to_have_count(2, timeout=30 * SECONDS)
        page.locator(".jp-CodeCell .cm-content").nth(1).click()
        page.keyboard.press("Control+End")
        page.keyboard.type("0")
        bars.nth(1).get_by_role("button", name="Fix").click()
        diff = page.locator(".a3s-diff")
        accept = diff.get_by_role("button", name="Accept", exact=True)
        expect(accept).to_be_visible(timeout=30 * SECONDS)
        asked = upstream.bodies[-1]["messages"][-1]["content"]
        assert "```bash\nmissing_command\n```" in asked
        assert "These cells ran before it:\n```python\nx = 1\n```\n" in asked


CODE = (
    "def mean(xs):\n    s = 0\n    for x in xs:\n        s = s + x\n"
    "    return s / len(xs)\n\nmean([1])"
)
BETTER = (
    '"""Means."""\ndef mean(xs):\n    s = 0\n    for x in xs:\n        s += x\n'
    "    return s / len(xs)\n\nmean([1])"
)
SOURCE = "jupyterapp.shell.currentWidget.content.widgets[{}].model.sharedModel.getSource()"
MODULE = "\n".join(f"def f{i}(x):\n    return x + {i}\n" for i in range(30))


def test_improve_test_and_explain_code(
    open_lab: Callable[..., Lab], lab_root: Path, tmp_path: Path
) -> None:
    with run_upstream() as upstream:
        notebook = write_notebook(tmp_path / "improve.ipynb", CODE)
        content = json.loads(notebook.read_text())
        content["cells"].append(
            {"cell_type": "markdown", "id": "md", "metadata": {}, "source": "A titel"}
        )
        notebook.write_text(json.dumps(content))
        (lab_root / "module.py").write_text(MODULE)
        lab = open_lab("Light", notebook)
        page = lab.page
        register_remote(lab.server, upstream, "says")
        wait_for_kernel(page)
        diff, cells = page.locator(".a3s-diff"), page.locator(".jp-Notebook .jp-Cell")
        accept = diff.get_by_role("button", name="Accept", exact=True)

        def source(index: int) -> str:
            return str(page.evaluate(SOURCE.format(index)))

        def run(command: str, answer: str) -> None:
            upstream.says = answer
            page.evaluate("id => void jupyterapp.commands.execute(id)", f"a3s-power:{command}")
            expect(accept).to_be_visible(timeout=30 * SECONDS)

        # While the answer comes, only the new code is shown. Stop frees the upstream.
        cells.nth(0).locator(".jp-InputArea-editor").click()
        upstream.waits_after = "s += x"
        upstream.says = f"```python\n{BETTER}\n```"
        page.evaluate("void jupyterapp.commands.execute('a3s-power:improve-code')")
        expect(diff.locator(".cm-content")).to_contain_text("s += x", timeout=30 * SECONDS)
        expect(diff.locator(".cm-deletedLine")).to_have_count(0)
        diff.get_by_role("button", name="Stop").click()
        expect(diff).to_contain_text("was stopped")
        lost = 'removes 2 lines that it may not have reached, from "return s / len(xs)" on'
        expect(diff).to_contain_text(lost)
        assert upstream.gone.wait(10)
        upstream.first_seen.set()
        page.keyboard.press("Escape")
        expect(diff).to_have_count(0)
        assert source(0) == CODE

        # One change is accepted and the other rejected.
        upstream.waits_after = ""
        run("improve-code", f"```python\n{BETTER}\n```")
        expect(diff.get_by_role("status")).to_have_text("2 changes")
        diff.get_by_label("Reject this change").first.click()
        expect(diff.get_by_role("status")).to_have_text("1 change")
        diff.get_by_label("Accept this change").click()
        expect(diff).to_have_count(0)
        assert source(0) == CODE.replace("s = s + x", "s += x")

        # Tests are a new cell, and it is edited next.
        run("write-tests", "```python\nassert mean([2]) == 2\n```")
        expect(diff.get_by_role("status")).to_have_text("New code")
        accept.click()
        expect(cells).to_have_count(3)
        assert source(1) == "assert mean([2]) == 2"
        expect(cells.nth(1).locator(".cm-content")).to_be_focused()

        # A Markdown cell stays rendered.
        cells.nth(2).click()
        run("improve-code", "A title")
        page.keyboard.press("Control+Enter")
        expect(cells.nth(2).locator(".jp-RenderedMarkdown")).to_have_text("A title")

        # Explain asks in the sidebar, with the cell.
        cells.nth(0).locator(".jp-InputArea-editor").click()
        upstream.says = "It computes the **mean**."
        page.evaluate("void jupyterapp.commands.execute('a3s-power:explain-code')")
        expect(page.get_by_text("It computes the mean.")).to_be_visible(timeout=30 * SECONDS)
        assert "s += x" in json.dumps(upstream.bodies[-1]["messages"])

        # In a file: the selection is changed, and other lines are folded.
        page.evaluate("void jupyterapp.commands.execute('docmanager:open', {path: 'module.py'})")
        editor = page.locator(".jp-FileEditor .cm-content")
        editor.get_by_text("return x + 1", exact=True).dblclick(timeout=30 * SECONDS)
        page.keyboard.press("Home")
        page.keyboard.press("Shift+End")
        page.keyboard.press("Control+k")
        expect(page.get_by_label("How to change the selected code")).to_be_focused()
        page.keyboard.type("Add two")
        upstream.says = "```python\nreturn x + 2\n```"
        page.keyboard.press("Enter")
        expect(accept).to_be_visible(timeout=30 * SECONDS)
        expect(diff).to_contain_text("unchanged lines")
        box, area = diff.bounding_box(), page.locator(".jp-FileEditor").bounding_box()
        assert box is not None
        assert area is not None
        assert box["width"] > 0.9 * area["width"]
        assert axe_violations(page, ".a3s-diff") == []
        page.keyboard.press("Control+Enter")
        expect(diff).to_have_count(0)
        expect(editor).to_be_focused()
        expect(editor.get_by_text("return x + 2", exact=True)).to_have_count(2)
