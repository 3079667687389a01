"""The assistant in the sidebar: chats that are kept, searched, exported and shared by pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from support import servers
from support.lab_page import SECONDS, axe_violations, each_theme, register_remote
from support.upstream_server import Upstream, run_upstream

if TYPE_CHECKING:
    from conftest import Lab


@pytest.fixture
def upstream(lab_server: servers.Server) -> Iterator[Upstream]:
    """The models "echo", which answers at once, and "endless", which does not stop."""
    with run_upstream() as running:
        for model in ("echo", "endless"):
            register_remote(lab_server, running, model)
        yield running


def open_assistant(page: Page) -> Locator:
    """Open the assistant with the keyboard."""
    expect(page.locator(".jp-LauncherCard").first).to_be_visible(timeout=60 * SECONDS)
    page.keyboard.press("Control+Shift+c")
    page.keyboard.type("Chat with a Local Model")
    page.keyboard.press("Enter")
    panel = page.locator("#a3s-power-assistant")
    expect(panel.get_by_label("Message", exact=True)).to_be_focused(timeout=30 * SECONDS)
    return panel


def choose(panel: Locator, model: str) -> None:
    panel.get_by_label("Model", exact=True).select_option(model)


def ask(panel: Locator, text: str) -> Locator:
    """Ask a question, and return the last answer."""
    panel.get_by_label("Message", exact=True).fill(text)
    panel.page.keyboard.press("Enter")
    return panel.get_by_role("log").locator(".a3s-message:not(.a3s-user)").last


def chats_of(server: servers.Server) -> list[str]:
    with server.api() as api:
        return [chat["title"] for chat in api.get("v1/assistant/chats").json()["data"]]


def test_chats_are_listed_searched_renamed_exported_and_deleted(
    open_lab: Callable[..., Lab], upstream: Upstream, lab_root: Path
) -> None:
    lab = open_lab("Light")
    page = lab.page
    panel = open_assistant(page)
    margins = "chat => chat.closest('.a3s-chat-panel').clientWidth - chat.clientWidth"
    assert panel.locator(".a3s-chat").evaluate(margins) < 40  # it is as wide as the sidebar
    choose(panel, "echo")
    expect(ask(panel, "Which cheese is blue?")).to_contain_text("One", timeout=30 * SECONDS)
    panel.get_by_role("button", name="New chat").click()
    expect(panel.locator(".a3s-chats-current")).to_have_text("New chat")
    expect(ask(panel, "Second question")).to_contain_text("One", timeout=30 * SECONDS)

    panel.get_by_role("button", name="Chats").click()
    search = panel.get_by_role("searchbox", name="Search chats")
    expect(search).to_be_focused()
    titles = panel.locator(".a3s-chats-title")
    expect(titles).to_have_text(["Second question", "Which cheese is blue?"])
    page.keyboard.type("CHEESE")
    expect(titles).to_have_text(["Which cheese is blue?"])
    for theme in each_theme(page):
        assert axe_violations(page, "#a3s-power-assistant") == [], theme

    page.keyboard.press("Tab")  # Close
    page.keyboard.press("Tab")  # the chat
    page.keyboard.press("Tab")  # its menu
    page.keyboard.press("Enter")
    panel.get_by_role("button", name="Rename").click()
    page.keyboard.type("Blue")
    page.keyboard.press("Enter")
    expect(titles).to_have_text(["Blue"])
    expect(panel.locator(".a3s-chats-open")).to_be_focused()

    menu = panel.get_by_label("More actions")
    menu.click()
    panel.get_by_role("button", name="Export as notebook").click()
    expect(panel.get_by_text("Saved as Blue.ipynb.")).to_be_visible()
    nbformat.validate(nbformat.read(lab_root / "Blue.ipynb", as_version=4))
    menu.click()
    with page.expect_download() as download:
        panel.get_by_role("button", name="Export as Markdown").click()
    assert download.value.suggested_filename == "Blue.md"
    assert "Which cheese is blue?" in Path(download.value.path()).read_text("utf-8")

    menu.click()
    panel.get_by_role("button", name="Delete", exact=True).click()
    expect(panel.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(titles).to_have_count(0)
    page.keyboard.press("Escape")
    assert chats_of(lab.server) == ["Second question"]

    panel.get_by_role("button", name="Open in a tab").click()
    tab = page.locator("#jp-main-dock-panel .a3s-chat-panel")
    expect(tab.get_by_role("log")).to_contain_text("Second question")
    expect(panel.locator(".a3s-chats-current")).to_have_text("New chat")


def test_an_answer_goes_on_after_a_reload_and_pages_follow_each_other(
    open_lab: Callable[..., Lab], upstream: Upstream
) -> None:
    lab = open_lab("Light")
    page = lab.page
    upstream.gone.is_set = lambda: False  # type: ignore[method-assign]
    panel = open_assistant(page)
    choose(panel, "endless")
    answer = ask(panel, "Go on")
    expect(answer).to_contain_text(re.compile("x{20}"), timeout=30 * SECONDS)
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves its layout after a second
    before = len(answer.inner_text())
    page.reload()
    expect(panel.get_by_role("log")).to_contain_text("Go on", timeout=60 * SECONDS)
    stop = panel.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled(timeout=30 * SECONDS)
    expect(answer).to_contain_text(re.compile(f"x{{{before + 20}}}"), timeout=30 * SECONDS)

    other = open_lab("Light").page
    theirs = open_assistant(other)
    theirs.get_by_role("button", name="Chats").click()
    theirs.locator(".a3s-chats-open").first.click()
    expect(theirs.get_by_role("log")).to_contain_text("xxx")
    expect(theirs.get_by_role("button", name="Stop")).to_be_disabled()
    stop.click()
    expect(stop).to_be_disabled()
    regenerate = theirs.get_by_role("button", name="Regenerate")
    expect(regenerate).to_be_enabled(timeout=30 * SECONDS)
    choose(theirs, "echo")
    expect(panel.get_by_label("Model", exact=True)).to_have_value("echo", timeout=30 * SECONDS)
    ask(theirs, "And now?")
    expect(panel.get_by_role("log")).to_contain_text("And now?", timeout=30 * SECONDS)
    assert chats_of(lab.server) == ["Go on"]
