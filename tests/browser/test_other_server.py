"""A page of one server, whose kernel uses another: the widget asks its kernel for everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_page import SECONDS, register, row, run_cell, wait_for_kernel, write_notebook
from playwright.sync_api import Request, expect
from servers import Server

pytestmark = pytest.mark.browser

CELLS = (
    "import a3s_power_jupyter as power\npower.connect().table()",
    "import time\nfor _ in range(6000): time.sleep(0.1)",
)


def test_the_table_is_the_other_servers(
    open_lab: Callable[..., Any],
    start_server: Callable[..., Server],
    tmp_path: Path,
    images: Path,
) -> None:
    other = start_server()
    environ = {"A3S_POWER_URL": other.url, "A3S_POWER_TOKEN": other.token}
    lab = open_lab("Light", write_notebook(tmp_path / "other.ipynb", *CELLS), environ)
    page, own = lab.page, lab.server
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    wait_for_kernel(page)
    page.keyboard.press("Control+b")  # hides the file browser
    with own.api() as api, other.api() as other_api:
        register(api, "ours")
        register(other_api, "theirs")
        table = run_cell(page, 0).locator(".a3s-models")
        model = row(table, "theirs")
        expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)
        expect(table).not_to_contain_text("ours")

        # JupyterLab has a widget's messages answered in a subshell of ipykernel 7.
        run_cell(page, 1)
        busy = page.locator(".jp-CodeCell").nth(1)
        expect(busy).to_contain_text("[*]:")
        model.get_by_role("button", name="Load theirs").click()
        expect(model).to_contain_text("min left", timeout=60 * SECONDS)
        assert other_api.get("v1/models/theirs").json()["state"] == "loaded"
        page.screenshot(path=images / "other-server.png")

        # What is done elsewhere is seen here, and what the other server refuses is said.
        other_api.post("v1/models/theirs/unload", json={}).raise_for_status()
        expect(model).to_contain_text("unloaded")
        table.get_by_label("Model to pull").fill("no reference")
        table.get_by_role("button", name="Pull", exact=True).click()
        expect(table.get_by_role("alert")).to_contain_text("no reference")
        other_api.delete("v1/models/theirs").raise_for_status()
        expect(model).to_have_count(0)
        expect(busy).to_contain_text("[*]:")

        # The page's own server was only asked who it is.
        assert all(request.url.startswith((own.url, "data:", "blob:")) for request in asked)
        assert {request.method for request in asked if "/v1/" in request.url} == {"GET"}
        assert [found["id"] for found in api.get("v1/models").json()["data"]] == ["ours"]
