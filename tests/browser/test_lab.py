"""Run the quickstart notebook in JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from support.lab_page import SECONDS, each_theme, wait_for_kernel
from support.paths import NOTEBOOKS

pytestmark = pytest.mark.browser

LINE = re.compile(r"8 tokens · [\d.]+ tokens/s · .*\b45 prompt tokens( cached)?")
LOADED = re.compile(r"Power: smollm2 \d+ (MB|tokens/s|%)|Power: smollm2 busy")
IDLE = re.compile(r"Power: smollm2 \d+ MB\. Show details\.")


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def cell(page: Page, text: str) -> Locator:
    """Return the code cell with `text` in its input."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=text))


def test_quickstart(open_lab: Callable[..., Any], images: Path) -> None:
    page = open_lab("Light", NOTEBOOKS / "01_quickstart.ipynb").page
    wait_for_kernel(page)  # cells that are run before that are not executed
    status = page.get_by_role("button", name="Show details")
    expect(status).to_be_hidden()

    run_all(page)
    expect(status).to_have_accessible_name(LOADED, timeout=60 * SECONDS)
    last = cell(page, "%power unload smollm2")
    expect(last).to_contain_text("No models are loaded", timeout=90 * SECONDS)
    expect(status).to_be_hidden()
    expect(page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)

    question = cell(page, "capital city of France")
    question.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+b")  # hides the file browser
    output = question.locator(".jp-OutputArea")
    expect(output.locator("small")).to_have_text(LINE, timeout=60 * SECONDS)
    expect(output).to_contain_text("The capital city of France is Paris.")
    expect(status).to_have_accessible_name(
        IDLE, timeout=60 * SECONDS
    )  # events come up to a second later
    status.click()
    unload = page.get_by_role("dialog", name="Power").get_by_role("button", name="Unload smollm2")
    expect(unload).to_be_visible()
    # Scroll past the path of the model file, which differs between machines.
    page.get_by_role("heading", name="Ask").evaluate("heading => heading.scrollIntoView()")
    for theme in each_theme(page):
        page.screenshot(path=images / f"quickstart-{theme}.png")

    unload.click()
    expect(status).to_be_hidden()
