"""Use widgets through the kernel, on a page from a different server than the kernel's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from support.hub_server import HubServer
from support.lab_page import (
    PULL,
    SECONDS,
    close_find,
    pull_from,
    register,
    row,
    run_cell,
    wait_for_kernel,
    write_notebook,
)
from support.servers import Server

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

TABLE, PULLING, CHAT = range(3)
CELLS = [
    "import os\nos.environ |= {environ}\n"
    "import a3s_power_jupyter as power\nclient = power.connect()\nclient.table()",
    f"client.pull_widget({PULL!r})",
    "client.chat_widget('theirs')",
]


@pytest.fixture
def other(start_server: Callable[..., Server], hub_environ: dict[str, str]) -> Server:
    return start_server(environ=hub_environ)


@pytest.fixture
def lab(open_lab: Callable[..., Lab], other: Server, tmp_path: Path) -> Lab:
    environ = {"A3S_POWER_URL": other.url, "A3S_POWER_TOKEN": other.token}
    first, *more = CELLS
    first = first.format(environ=environ)
    opened = open_lab("Light", write_notebook(tmp_path / "other.ipynb", first, *more))
    wait_for_kernel(opened.page)
    opened.page.keyboard.press("Control+b")  # hides the file browser
    return opened


def test_widgets_show_the_server_of_the_kernel(
    lab: Lab, other: Server, hub: HubServer, tmp_path: Path
) -> None:
    page = lab.page
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    with lab.server.api() as own_api, other.api() as api:
        register(own_api, "ours")
        register(api, "theirs")
        table = run_cell(page, TABLE).locator(".a3s-models")
        model = row(table, "theirs")
        expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)
        expect(table).not_to_contain_text("ours")
        hub.fail("model-Q4_1.gguf", times=None, rate=5_000_000)
        pull = run_cell(page, PULLING).locator(".a3s-pull")
        chat = run_cell(page, CHAT).locator(".a3s-chat")
        expect(chat.get_by_label("Message")).to_be_visible(timeout=30 * SECONDS)
        check_table(table, model, api)
        check_pull(pull, hub)
        check_chat(chat, model)
        take_screenshot(page, tmp_path)
        api.delete("v1/models/theirs").raise_for_status()
        expect(model).to_have_count(0)

        # The widgets sent no request to the page's own server.
        assert all(
            request.url.startswith((lab.server.url, "data:", "blob:")) for request in requests
        )
        assert [request.url for request in requests if "/v1/" in request.url] == []
        assert [model["id"] for model in own_api.get("v1/models").json()["data"]] == ["ours"]


def check_table(table: Locator, model: Locator, api: Any) -> None:
    """Check that buttons work, and that errors and changes made elsewhere are shown."""
    model.get_by_role("button", name="Load theirs").click()
    expect(model).to_contain_text("min left", timeout=60 * SECONDS)
    assert api.get("v1/models/theirs").json()["state"] == "loaded"
    api.post("v1/models/theirs/unload", json={}).raise_for_status()
    expect(model).to_contain_text("unloaded")
    pull_from(table, "not a reference")
    alert = table.locator(".a3s-find").get_by_role("alert")
    expect(alert.filter(has_text="not a reference")).to_be_visible()
    close_find(table)


def check_pull(pull: Locator, hub: HubServer) -> None:
    pull.get_by_role("button", name="Pull").click()
    expect(pull).to_contain_text("MB/s", timeout=30 * SECONDS)
    pull.get_by_role("button", name="Pause").click()
    expect(pull).to_contain_text("paused")
    hub.clear_failures()
    pull.get_by_role("button", name="Resume").click()
    expect(pull).to_contain_text("done", timeout=60 * SECONDS)


def check_chat(chat: Locator, model: Locator) -> None:
    chat.get_by_text("Parameters").click()
    chat.get_by_label("Temperature").fill("0")
    chat.get_by_label("Message").fill("What is the capital city of France? Answer briefly.")
    chat.get_by_role("button", name="Send").click()
    log, status = chat.get_by_role("log"), chat.get_by_role("status")
    expect(log).to_contain_text("Paris", timeout=60 * SECONDS)
    expect(status).to_contain_text("tokens/s", timeout=60 * SECONDS)

    chat.get_by_label("Message").fill("Write a very long story about a lighthouse keeper.")
    chat.get_by_role("button", name="Send").click()
    answer = log.locator(".a3s-message").nth(3)
    expect(answer).to_contain_text("lighthouse", timeout=60 * SECONDS)
    expect(model).to_contain_text("1 running")
    chat.get_by_role("button", name="Stop").click()
    expect(status).to_contain_text("stopped")
    expect(model).to_contain_text("min left")


def take_screenshot(page: Page, tmp_path: Path) -> None:
    page.locator(".a3s-models").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "other-server.png")
