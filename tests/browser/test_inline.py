"""Complete code while somebody types in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Error, Locator, Page, Request, expect

from support import tiny_fim
from support.lab_page import SECONDS, write_notebook
from support.servers import Server
from support.waiting import wait_until

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

PLUGIN = "a3s-power-jupyter/inline"


def register(api: Any, path: Path, name: str, **options: Any) -> None:
    file = tiny_fim.write_model(path / f"{name}.gguf", **options)
    api.post("v1/models", json={"name": name, "path": str(file)}).raise_for_status()


def running(api: Any, name: str) -> int:
    return int(api.get(f"v1/models/{name}").json().get("requests_running", 0))


def is_completed_after(page: Page, ghost: Locator, key: str) -> bool:
    """Type a key, and take it back if no completion appears."""
    page.keyboard.type(key)
    try:
        ghost.wait_for(timeout=10 * SECONDS)
    except Error:
        page.keyboard.press("Backspace")
        return False
    return True


def execute(page: Page, command: str) -> None:
    page.evaluate(f"() => void jupyterapp.commands.execute('{command}')")


def test_code_is_completed_while_it_is_typed(
    open_lab: Callable[..., Lab], lab_server: Server, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "code.ipynb", "a = 1", "")
    with lab_server.api() as api:
        register(api, tmp_path, "fim")
        page = open_lab("Light", notebook).page
        requests: list[Request] = []

        def on_request(sent: Request) -> None:
            if "completions" in sent.url:
                requests.append(sent)

        page.on("request", on_request)
        cell = page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")
        cell.click(timeout=60 * SECONDS)
        page.keyboard.type("b = ")
        status = page.locator(".a3s-InlineStatus")
        ghost = page.locator(".jp-GhostText")
        page.wait_for_timeout(600)
        assert requests == []  # off until a model is chosen
        expect(status).to_be_hidden()

        execute(page, "a3s-power:choose-inline-model")
        dialog = page.locator(".jp-Dialog")
        dialog.locator("select").select_option("fim (fills in the middle)")
        dialog.locator(".jp-mod-accept").click()
        expect(status).to_contain_text("fim")
        cell.click()
        page.keyboard.press("End")
        page.keyboard.type("a ")
        # JupyterLab enables the provider a moment after the model is chosen.
        wait_until(lambda: is_completed_after(page, ghost, "+"), 60)
        expect(ghost).to_contain_text(tiny_fim.TEXT)
        sent = len(requests)
        page.keyboard.type("on")  # along the text
        expect(ghost).to_contain_text(tiny_fim.TEXT[2:])
        page.keyboard.press("Backspace")
        expect(ghost).to_contain_text(tiny_fim.TEXT[1:])
        assert len(requests) == sent
        page.keyboard.press("Tab")
        expect(cell).to_contain_text(f"b = a +{tiny_fim.TEXT}")
        expect(ghost).to_have_count(0)

        page.keyboard.press("Control+Alt+i")
        expect(status).to_contain_text("off")
        sent = len(requests)
        page.keyboard.type(" + c")
        page.wait_for_timeout(600)
        assert len(requests) == sent
        page.keyboard.press("Control+Alt+i")
        expect(status).not_to_contain_text("off")

        status.get_by_role("button").click()
        expect(
            page.get_by_role("menuitem", name="Choose Local Model for Inline Completion")
        ).to_be_visible()
        page.keyboard.press("Escape")


def test_typing_on_ends_the_request(
    open_lab: Callable[..., Lab], lab_server: Server, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "code.ipynb", "")
    settings = {PLUGIN: {"model": "endless", "maxTokens": 2048, "debounce": 50}}
    with lab_server.api() as api:
        register(api, tmp_path, "endless", endless=True, fillers=100_000)
        api.post("v1/models/endless/load", json={}).raise_for_status()
        page = open_lab("Dark", notebook, settings).page
        page.locator(".jp-Notebook .cm-content").first.click(timeout=60 * SECONDS)
        ghost = page.locator(".jp-GhostText")
        for key in "value = f":
            page.keyboard.type(key)
            page.wait_for_timeout(150)
            # An answer never ends by itself. The next request may begin just before the end.
            wait_until(lambda: running(api, "endless") <= 1)
        expect(ghost).to_contain_text("one + two", timeout=30 * SECONDS)
        wait_until(lambda: running(api, "endless") == 1)
        page.keyboard.press("Enter")  # JupyterLab asks for nothing at the start of a line
        expect(ghost).to_have_count(0)
        wait_until(lambda: running(api, "endless") == 0)

        # A model that is not in memory is not loaded in place of another one, and that is said.
        register(api, tmp_path, "other")
        api.post("v1/models/other/load", json={}).raise_for_status()
        page.keyboard.type("x = y")
        status = page.locator(".a3s-InlineStatus")
        expect(status).to_contain_text("problem", timeout=30 * SECONDS)
        button = status.get_by_role("button")
        expect(button).to_have_attribute(
            "aria-label", "endless is not in memory, and loading it would unload other."
        )
        assert page.locator(".jp-Dialog").count() == 0
        button.click()
        page.get_by_role("menuitem", name="Load endless").click()
        expect(status).not_to_contain_text("problem", timeout=30 * SECONDS)
        wait_until(lambda: api.get("v1/models/endless").json()["loaded"])
