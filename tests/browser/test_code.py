"""Fix errors and write code in a notebook, with a scripted model."""

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
    open_lab: Callable[..., Lab], lab_root: Path, tmp_path: Path
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
        for _ in each_theme(page):
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
        page.keyboard.press("Control+z")  # the editor has the focus, and it is one step
        assert source() == WRONG

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
