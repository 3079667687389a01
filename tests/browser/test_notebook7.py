"""Use the model table and the panel in Notebook 7."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect

from support.lab_page import SECONDS, load, register, row, run_cell, wait_for_kernel, write_notebook
from support.servers import Server

pytestmark = pytest.mark.browser

CELLS = (
    "import a3s_power_jupyter as power\npower.connect().table()",
    "import time\nfor _ in range(6000): time.sleep(0.1)",
)


@dataclass
class Notebook:
    """A page, and the errors that this extension causes on it."""

    page: Page
    server: Server
    errors: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        text = f"{message.text} {message.location['url']}"
        if message.type in ("error", "warning") and "a3s-power" in text:
            self.errors.append(text)

    def on_error(self, error: Error) -> None:
        if "a3s-power" in (error.stack or ""):
            self.errors.append(error.stack or "")


@pytest.fixture
def notebook(browser: Browser, lab_server: Server, lab_root: Path) -> Iterator[Notebook]:
    write_notebook(lab_root / "models.ipynb", *CELLS)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    opened = Notebook(page, lab_server)
    page.on("console", opened.on_console)
    page.on("pageerror", opened.on_error)
    page.goto(f"{lab_server.url}notebooks/models.ipynb?token={lab_server.token}")
    wait_for_kernel(page)
    yield opened
    page.close()


def test_the_table_works_while_a_cell_runs(notebook: Notebook, tmp_path: Path) -> None:
    page, server = notebook.page, notebook.server
    with server.api() as api:
        register(api, "smollm2", "other")
        table = run_cell(page, 0).locator(".a3s-models")
        model = row(table, "smollm2")
        expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)

        # The table shows changes made elsewhere.
        load(api, "smollm2")
        expect(model).to_contain_text("min left")
        api.delete("v1/models/other").raise_for_status()
        expect(row(table, "other")).to_have_count(0)
        page.screenshot(path=tmp_path / "notebook7.png")

        run_cell(page, 1)
        busy = page.locator(".jp-CodeCell").nth(1)
        expect(busy).to_contain_text("[*]:")
        model.get_by_role("button", name="Pin smollm2").click()
        expect(model).to_contain_text("pinned")
        model.get_by_role("button", name="Unload smollm2").click()
        expect(model).to_contain_text("unloaded")
        assert api.get("v1/models/smollm2").json()["state"] == "unloaded"
        expect(busy).to_contain_text("[*]:")
    assert notebook.errors == []


def test_the_panel_opens_in_a_sidebar(notebook: Notebook) -> None:
    page = notebook.page
    with notebook.server.api() as api:
        register(api, "smollm2")
    page.keyboard.press("Control+Shift+c")
    palette = page.locator(".lm-CommandPalette")
    palette.get_by_role("textbox").fill("Local Models")
    page.keyboard.press("Enter")
    panel = page.locator("#jp-right-stack .a3s-models")
    expect(row(panel, "smollm2")).to_contain_text("unloaded")
    expect(page.locator(".jp-CodeCell").first).to_be_visible()
    assert notebook.errors == []
