"""Add models in the Local Models panel: from the hub, and from the file browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from support.hub_server import HubServer
from support.lab_page import (
    PULL,
    SECONDS,
    axe_violations,
    limit_answers,
    open_by_palette,
    press_tab_to,
    row,
)
from support.model_files import smollm2

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

GATED = "tests/Gated-GGUF"
TOKEN = "hf_" + "t" * 34


@pytest.fixture
def open_panel(open_lab: Callable[..., Lab]) -> Callable[[], Lab]:
    def open_() -> Lab:
        lab: Lab = open_lab("Light")
        click_launcher(lab.page)
        return lab

    return open_


def click_launcher(page: Page) -> None:
    page.locator(".jp-LauncherCard").filter(has_text="Local Models").click(timeout=60 * SECONDS)


def find_view(page: Page) -> Locator:
    return page.locator(".a3s-panel .a3s-find")


def test_few_clicks_lead_from_nothing_to_an_answer(open_lab: Callable[..., Lab]) -> None:
    """Four, and no typing: the launcher, Pull, Chat, and a suggested prompt."""
    lab = open_lab("Light")
    page = lab.page
    click_launcher(page)
    panel = page.locator(".a3s-panel")
    card = find_view(page).locator(".a3s-card").first
    expect(card).to_contain_text("Recommended for a first try", timeout=30 * SECONDS)
    expect(card).to_contain_text(re.compile("Fits (on the GPU|in memory)"))
    assert axe_violations(page, ".a3s-panel") == []
    card.get_by_role("button", name=f"Pull {PULL}").click()
    chat = row(panel, PULL).get_by_role("button", name=f"Chat with {PULL}")
    chat.click(timeout=60 * SECONDS)
    page.locator(".a3s-chat-panel .a3s-prompt").first.click(timeout=30 * SECONDS)
    answer = page.locator(".a3s-chat-panel .a3s-message:not(.a3s-user)")
    expect(answer).to_contain_text(re.compile(r"\w{2}"), timeout=120 * SECONDS)


def test_the_keyboard_is_enough(open_panel: Callable[[], Lab]) -> None:
    """To pull, load, chat, and delete."""
    lab = open_panel()
    page = lab.page
    panel = page.locator(".a3s-panel")
    expect(find_view(page).locator(".a3s-card").first).to_be_visible(timeout=30 * SECONDS)
    press_tab_to(page, f"Pull {PULL}")
    page.keyboard.press("Enter")
    model = row(panel, PULL)
    expect(model).to_contain_text("unloaded", timeout=60 * SECONDS)
    with lab.server.api() as api:
        limit_answers(api, PULL)
    expect(panel.get_by_role("button", name="Add model")).to_be_focused()
    press_tab_to(page, f"Load {PULL}")
    page.keyboard.press("Enter")
    expect(model).to_contain_text("min left", timeout=60 * SECONDS)
    page.keyboard.press("Shift+Tab")
    expect(model.get_by_role("button", name=f"Chat with {PULL}")).to_be_focused()
    page.keyboard.press("Enter")
    chat = page.locator(".a3s-chat-panel")
    expect(chat.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type("Say hello.")
    page.keyboard.press("Enter")
    answer = chat.locator(".a3s-message:not(.a3s-user)")
    expect(answer).to_contain_text(re.compile(r"\w{2}"), timeout=120 * SECONDS)
    expect(chat.get_by_role("button", name="Regenerate")).to_be_enabled(timeout=120 * SECONDS)
    open_by_palette(page)
    press_tab_to(page, f"Delete {PULL}")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name=f"Keep {PULL}")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(model).to_have_count(0)
    expect(find_view(page).locator(":focus")).to_have_count(1)


def test_the_panel_scrolls_in_a_low_window(open_panel: Callable[[], Lab]) -> None:
    page = open_panel().page
    page.set_viewport_size({"width": 1000, "height": 500})
    reference = find_view(page).get_by_role("region", name="Pull by reference")
    expect(reference).not_to_be_in_viewport()
    page.locator(".a3s-panel").hover()
    page.mouse.wheel(0, 2_000)
    expect(reference).to_be_in_viewport()
    reference.get_by_role("textbox").fill("tests/No-such-model-GGUF")
    page.mouse.wheel(0, -400)
    page.keyboard.press("Enter")
    expect(reference.get_by_role("alert")).to_be_in_viewport(timeout=30 * SECONDS)


def test_search(open_panel: Callable[[], Lab], hub: HubServer) -> None:
    """Of 10,000 repositories; typing sends one request, and results stay until others are there."""
    hub.add_many(10_000)
    lab = open_panel()
    page = lab.page
    find = find_view(page)
    search = find.get_by_role("region", name="Search the hub")
    box = search.get_by_label("Search the hub for models")
    results = find.locator(".a3s-result")

    def searches() -> int:
        return sum(record.path.endswith("/api/models") for record in hub.requests)

    before = searches()
    box.press_sequentially("model-00", delay=40)
    expect(results).to_have_count(20, timeout=30 * SECONDS)
    assert searches() == before + 1
    find.get_by_role("button", name="More").click()
    expect(results).to_have_count(40, timeout=30 * SECONDS)

    # A slow page: the results stay, and what is typed meanwhile replaces the request.
    hub.fail("/api/models", stage="api", times=1, delay=20)
    box.fill("model-0001")
    expect(find.get_by_text("Searching…")).to_be_visible()
    expect(results).to_have_count(40)
    box.fill("model-0002")
    expect(results).to_have_count(10, timeout=15 * SECONDS)

    # The hub asks to wait, and does not answer.
    hub.fail("/api/models", stage="api", times=None, status=429, headers={"Retry-After": "3000"})
    box.fill("model-0003")
    failure = search.get_by_role("alert")
    expect(failure).to_contain_text("Too many requests to the hub", timeout=30 * SECONDS)
    hub.clear_failures()
    hub.fail("/api/models", stage="api", times=None, hang_up=True)
    failure.get_by_role("button", name="Try again").click()
    expect(failure).to_contain_text("The hub cannot be reached", timeout=60 * SECONDS)
    hub.clear_failures()
    failure.get_by_role("button", name="Try again").click()
    expect(results).to_have_count(10, timeout=30 * SECONDS)
    expect(failure).to_have_count(0)

    # Nothing found.
    box.fill("no such model")
    nothing = search.get_by_role("status").filter(has_text="Nothing found")
    expect(nothing).to_be_visible(timeout=30 * SECONDS)
    assert axe_violations(page, ".a3s-panel") == []
    nothing.get_by_role("button", name="Show recommended models").click()
    expect(find.locator(".a3s-card").first).to_be_visible()


def test_a_gated_model(open_panel: Callable[[], Lab], hub: HubServer) -> None:
    """Its files need a token, which the page does not keep."""
    hub.add(GATED, {"m-Q4_1.gguf": smollm2().read_bytes()}, gated=True, readers=(TOKEN,))
    lab = open_panel()
    page = lab.page
    find = find_view(page)
    find.get_by_label("Search the hub for models").fill("Gated")
    result = find.get_by_role("button", name=GATED)
    expect(result).to_contain_text("Gated", timeout=30 * SECONDS)
    result.press("Enter")
    body = find.locator(".a3s-result-body")
    body.get_by_role("button", name=re.compile("token")).click(timeout=30 * SECONDS)
    field = find.get_by_label("Token", exact=True)
    expect(field).to_be_focused()
    field.fill(TOKEN)
    field.press("Enter")
    token = find.locator(".a3s-token")
    expect(token.get_by_role("status")).to_contain_text("A token is stored", timeout=30 * SECONDS)
    expect(field).to_have_value("")
    kept = "[document.documentElement.outerHTML, location.href, JSON.stringify({...localStorage})]"
    assert TOKEN not in str(page.evaluate(kept))
    body.get_by_role("button", name=f"Pull {GATED}:Q4_1").click(timeout=30 * SECONDS)
    expect(row(page.locator(".a3s-panel"), f"{GATED}:Q4_1")).to_be_visible(timeout=60 * SECONDS)
    page.get_by_role("button", name="Add model").click()
    find.locator(".a3s-token summary").click()
    find.get_by_role("button", name="Remove").click()
    expect(token.get_by_role("status")).to_contain_text("No token", timeout=30 * SECONDS)


def test_the_file_browser(open_panel: Callable[[], Lab], lab_root: Path) -> None:
    """Register models with the context menu, with a drop on the panel, and with the file dialog."""
    for folder in ("models", "empty"):
        (lab_root / folder).mkdir()
    (lab_root / "models/in a folder.gguf").symlink_to(smollm2())
    (lab_root / "tiny.gguf").symlink_to(smollm2())
    (lab_root / "notes.txt").write_text("no model")
    lab = open_panel()
    page = lab.page
    panel = page.locator(".a3s-panel")
    item = page.locator(".jp-DirListing-item")
    item.filter(has_text="notes.txt").click(button="right", timeout=30 * SECONDS)
    menu = page.locator(".lm-Menu")
    expect(menu.get_by_text("Rename")).to_be_visible()
    expect(menu.get_by_text("Register as local model")).to_be_hidden()
    page.keyboard.press("Escape")

    item.filter(has_text="tiny.gguf").click(button="right")
    menu.get_by_text("Register as local model").click()
    toast = page.locator(".jp-toast-message")
    expect(toast.filter(has_text="Registered tiny.")).to_be_visible(timeout=30 * SECONDS)
    expect(row(panel, "tiny")).to_be_visible()

    item.filter(has_text="empty").drag_to(panel)
    expect(toast.filter(has_text="Could not register empty")).to_be_visible(timeout=30 * SECONDS)

    page.get_by_role("button", name="Add model").click()
    find_view(page).get_by_role("button", name="Choose a file…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("models", exact=True).dblclick()
    dialog.get_by_text("in a folder.gguf").click()
    dialog.get_by_role("button", name="Select").click()
    status = find_view(page).locator(".a3s-registration").first.get_by_role("status")
    expect(status).to_contain_text("Registered as", timeout=30 * SECONDS)
