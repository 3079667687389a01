"""The widgets in JupyterLab, with a real pull: as a person sees and uses them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from hub_server import HubServer, run_hub
from model_files import smollm2
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

SECONDS = 1000.0  # Playwright counts milliseconds
AXE = Path(__file__).parents[2] / "labextension/node_modules/axe-core/axe.min.js"
REPO = "tests/Chat-GGUF"
PULL = f"{REPO}:Q4_1"

CELLS = [
    "import a3s_power_jupyter as power\nclient = power.connect()\nclient.table()",
    f"client.pull_widget({PULL!r})",
    "client.chat_widget('smollm2')",
    "import time\nfor _ in range(600): time.sleep(0.1)",
]


def notebook(path: Path) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "source": source, "metadata": {}, "outputs": [],
         "execution_count": None}
        for i, source in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(whole))


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with run_hub() as server:
        server.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
        yield server


@pytest.fixture(params=["Light", "Dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(
    open_notebook: Callable[..., tuple[Page, servers.Server]],
    hub: HubServer,
    theme: str,
    tmp_path: Path,
) -> tuple[Page, servers.Server]:
    hub.behave()
    path = tmp_path / "widgets.ipynb"
    notebook(path)
    environ = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ""}
    return open_notebook(path, f"JupyterLab {theme}", environ)


def register(api: Any, name: str) -> None:
    api.post("v1/models", json={"name": name, "path": str(smollm2())}).raise_for_status()


def run_cell(page: Page, number: int) -> Locator:
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea-output").last


def faults(page: Page, selector: str) -> list[str]:
    """What axe-core finds that is serious or worse."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("selector => axe.run(selector, {resultTypes: ['violations']})", selector)
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_widgets(
    opened: tuple[Page, servers.Server], hub: HubServer, images: Path, theme: str
) -> None:
    page, server = opened
    expect(page.locator(".jp-NotebookPanel-toolbar")).to_contain_text(
        "Python 3", timeout=60 * SECONDS
    )
    page.keyboard.press("Control+b")
    with server.api() as api:
        register(api, "smollm2")
        register(api, "other")
        table = run_cell(page, 0).locator(".a3s-models")
        row = table.get_by_role("row").filter(has_text="smollm2")
        expect(row).to_contain_text("unloaded", timeout=30 * SECONDS)

        # What is done elsewhere is seen here; what is done here is done.
        api.post("v1/models/smollm2/load", json={}).raise_for_status()
        expect(row).to_contain_text("min left")
        row.get_by_role("button", name="Pin smollm2").click()
        expect(row).to_contain_text("pinned")
        row.get_by_role("button", name="Unpin smollm2").click()
        api.delete("v1/models/other").raise_for_status()
        expect(table.get_by_role("row").filter(has_text="other")).to_have_count(0)

        # A pull from the box, and its own widget; the kernel is busy all the while.
        hub.fail("model-Q4_1.gguf", times=None, rate=1_000_000)
        table.get_by_label("Model to pull").fill(PULL)
        table.get_by_role("button", name="Pull", exact=True).click()
        pull = run_cell(page, 1).locator(".a3s-pull")
        expect(pull).to_contain_text("MB/s", timeout=30 * SECONDS)
        chat = run_cell(page, 2).locator(".a3s-chat")
        expect(chat.get_by_label("Model", exact=True)).to_have_value(
            "smollm2", timeout=30 * SECONDS
        )
        run_cell(page, 3)
        expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "busy"
        )
        check_pull(pull, api)
        check_chat(chat)

        shots(page, images, theme)
        for selector in (".a3s-models", ".a3s-pull", ".a3s-chat"):
            assert faults(page, selector) == []

        # Delete asks first.
        row.get_by_role("button", name="Delete smollm2").click()
        row.get_by_role("button", name="Keep smollm2").click()
        assert api.get("v1/models/smollm2").status_code == 200
        row.get_by_role("button", name="Delete smollm2").click()
        row.get_by_role("button", name="Really delete smollm2").click()
        expect(row).to_have_count(0)


def check_pull(pull: Locator, api: Any) -> None:
    """Pause holds, resume goes on, cancel ends it."""
    bar = pull.get_by_role("progressbar")
    pull.get_by_role("button", name="Pause").click()
    expect(pull).to_contain_text("paused")
    before = bar.get_attribute("value")
    time.sleep(0.6)
    assert bar.get_attribute("value") == before
    pull.get_by_role("button", name="Resume").click()
    expect(pull).to_contain_text("MB/s", timeout=20 * SECONDS)
    expect(bar).not_to_have_attribute("value", before or "")
    pull.get_by_role("button", name="Cancel").click()
    expect(pull).to_contain_text(re.compile("cancelled|not known"))
    assert api.get("v1/models/pull").json()["data"][0]["status"] == "cancelled"


def check_chat(chat: Locator) -> None:
    chat.get_by_label("Message").fill("What is the capital city of France?")
    chat.get_by_role("button", name="Send").click()
    log = chat.get_by_role("log")
    expect(log).to_contain_text("Paris", timeout=60 * SECONDS)
    expect(chat.get_by_role("status")).to_contain_text("per second", timeout=60 * SECONDS)


def shots(page: Page, images: Path, theme: str) -> None:
    page.locator(".a3s-models").scroll_into_view_if_needed()
    page.screenshot(path=images / f"widgets-{theme.lower()}.png")
    page.locator(".a3s-chat").scroll_into_view_if_needed()
    page.screenshot(path=images / f"chat-{theme.lower()}.png")
