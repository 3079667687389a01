"""The assistant in the sidebar: chats that are kept, searched, exported and shared by pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from support import servers
from support.lab_page import (
    NO_NEWS,
    SECONDS,
    UPSTREAM_KEY,
    axe_violations,
    each_theme,
    open_assistant,
    register_remote,
    run_cell,
    wait_for_kernel,
    wait_until_open,
    write_notebook,
    write_settings,
)
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser


@pytest.fixture
def upstream(lab_server: servers.Server) -> Iterator[Upstream]:
    """The models "echo" and "says", which answer at once, and "endless", which does not stop."""
    with run_upstream() as running:
        for model in ("echo", "endless", "says"):
            register_remote(lab_server, running, model)
        yield running


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


def check_that_drafts_are_kept(panel: Locator) -> None:
    """Leave a chat and a new chat with questions that are not sent, and come back to both."""
    message = panel.get_by_label("Message", exact=True)
    new, chats = (panel.get_by_role("button", name=name) for name in ("New chat", "Chats"))
    second = panel.locator(".a3s-chats-open", has_text="Second question")
    message.fill("Draft of the second")
    new.click()
    expect(message).to_have_value("")
    message.fill("Draft of a new one")
    chats.click()
    second.click()
    expect(message).to_have_value("Draft of the second")
    new.click()
    expect(message).to_have_value("Draft of a new one")
    message.fill("")
    chats.click()
    second.click()
    expect(message).to_have_value("Draft of the second")
    message.fill("")


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
    expect(panel.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    page.emulate_media(forced_colors="active")
    border = "question => getComputedStyle(question).borderTopColor"
    assert panel.locator(".a3s-user > .a3s-content").evaluate(border) != "rgba(0, 0, 0, 0)"
    page.emulate_media(forced_colors="none")
    panel.get_by_role("button", name="New chat").click()
    expect(panel.locator(".a3s-chats-current")).to_have_text("New chat")
    expect(ask(panel, "Second question")).to_contain_text("One", timeout=30 * SECONDS)
    check_that_drafts_are_kept(panel)

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


def test_an_assistant_that_is_still_loading_takes_no_focus_from_where_the_user_went(
    open_lab: Callable[..., Lab],
) -> None:
    page = open_lab("Light").page
    open_assistant(page)
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves its layout after a second

    held: list[Route] = []
    page.route("**/a3s-power-jupyter/static/**", lambda route: held.append(route))
    page.reload(wait_until="commit")
    panel = page.locator("#a3s-power-assistant")
    for _ in range(600):  # a minute
        if panel.is_visible():
            break
        while held:
            held.pop().continue_()
        page.wait_for_timeout(100)
    wait_until_open(page)
    page.keyboard.press("Control+Shift+c")
    page.keyboard.type("Chat wi")
    page.unroute("**/a3s-power-jupyter/static/**")  # which lets those go on that wait
    expect(panel.get_by_label("Message", exact=True)).to_be_visible(timeout=30 * SECONDS)
    page.keyboard.type("th a Local Model")
    expect(page.locator(".lm-CommandPalette-input")).to_have_value("Chat with a Local Model")
    page.keyboard.press("Enter")
    expect(panel.get_by_label("Message", exact=True)).to_be_focused()
    expect(panel.get_by_label("Message", exact=True)).to_have_value("")


def test_the_palette_leads_from_a_notebook_to_the_assistant(
    open_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    page = open_lab("Light", write_notebook(tmp_path / "cell.ipynb", "1 + 1")).page
    wait_for_kernel(page)
    open_assistant(page)
    page.locator(".jp-CodeCell .jp-InputPrompt").click()
    message = open_assistant(page).get_by_label("Message", exact=True)
    page.wait_for_timeout(SECONDS)
    page.keyboard.type("dd")  # deletes a cell in the notebook
    expect(message).to_have_value("dd")
    page.keyboard.press("Control+b")  # once, as it shows the sidebar again
    expect(page.locator("#filebrowser")).to_be_hidden()
    page.keyboard.type("dd")
    expect(message).to_have_value("dddd")
    expect(open_assistant(page).get_by_label("Message", exact=True)).to_have_value("dddd")
    expect(page.locator(".jp-CodeCell")).to_have_count(1)


def test_an_answer_goes_on_after_a_restart_of_the_server(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    with run_upstream() as upstream:
        upstream.gone.is_set = lambda: False  # type: ignore[method-assign]
        environ = {UPSTREAM_KEY: KEY}
        with servers.run_server(tmp_path, environ=environ, lab=True) as server:
            for plugin, values in NO_NEWS.items():
                write_settings(server, plugin, values)
            register_remote(server, upstream, "endless")
            page.goto(f"{server.url}lab?token={server.token}")
            panel = open_assistant(page)
            answer = ask(panel, "Go on")
            expect(answer).to_contain_text(re.compile("x{20}"), timeout=30 * SECONDS)
        expect(panel.get_by_role("button", name="Stop")).to_be_disabled(timeout=30 * SECONDS)
        expect(answer).to_contain_text("Incomplete")
        before = answer.inner_text().count("x")
        port = urlsplit(server.url).port or 0
        with servers.run_server(tmp_path, environ=environ, lab=True, port=port) as server:
            more = re.compile(f"x{{{before + 20}}}")
            expect(answer).to_contain_text(more, timeout=60 * SECONDS)
            assert upstream.bodies[-1]["messages"][-1]["role"] == "assistant"  # it was continued
            page.close()
            assert chats_of(server) == ["Go on"]


def test_a_question_is_sent_with_its_chips_and_preset(
    open_lab: Callable[..., Lab], upstream: Upstream, tmp_path: Path
) -> None:
    lab = open_lab("Light", write_notebook(tmp_path / "error.ipynb", "1 / 0", "secret = 'K7'"))
    page = lab.page
    upstream.says = "By zero."

    def asked() -> tuple[str, str]:
        """Return the system prompt and the text of the last question."""
        messages: list[dict[str, Any]] = upstream.bodies[-1]["messages"]
        assert all("attachments" not in message for message in messages)
        system = [each["content"] for each in messages if each["role"] == "system"]
        return "".join(system), str(messages[-1]["content"])

    wait_for_kernel(page)
    run_cell(page, 0)
    page.locator(".a3s-errorbar").get_by_role("button", name="Explain").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option("says")
    page.get_by_role("button", name="Use this model").click()
    panel = page.locator("#a3s-power-assistant")
    expect(panel.get_by_role("log")).to_contain_text("By zero.", timeout=30 * SECONDS)
    question = panel.get_by_role("article", name="Question")
    expect(question.locator(".a3s-chip")).to_have_count(2)
    expect(panel.locator(".a3s-chats-current")).to_have_text("ZeroDivisionError in error.ipynb")
    assert "1 / 0" in asked()[1]
    assert "ZeroDivisionError" in asked()[1]

    panel.get_by_role("button", name="New chat").click()
    expect(panel.get_by_label("Model", exact=True)).to_have_value("says")
    page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt").click()
    for source in ("Active cell", "All cells"):
        panel.get_by_role("button", name="Attach").click()
        panel.get_by_role("menuitem", name=re.compile(source)).click()
    chips = panel.get_by_role("list", name="Attached").get_by_role("listitem")
    expect(chips).to_have_count(2)
    chips.last.get_by_role("button", name="Remove").click()
    panel.get_by_text("Parameters", exact=True).click()
    panel.get_by_label("Temperature").fill("0.3")
    panel.get_by_label("System prompt").fill("Be brief.")
    panel.get_by_label("Name of the preset").fill("Brief")
    panel.get_by_role("button", name="Save as preset").click()
    ask(panel, "What is it?")
    expect(panel.get_by_role("log")).to_contain_text("By zero.", timeout=30 * SECONDS)
    system, text = asked()
    assert system == "Be brief."
    assert "secret = 'K7'" in text
    assert "1 / 0" not in text

    panel.get_by_role("button", name="New chat").click()
    panel.get_by_text("Parameters", exact=True).click()
    panel.get_by_label("Preset", exact=True).select_option("Brief")
    expect(panel.get_by_label("Temperature")).to_have_value("0.3")
    ask(panel, "And now?")
    expect(panel.get_by_role("log")).to_contain_text("By zero.", timeout=30 * SECONDS)
    assert asked() == ("Be brief.", "And now?")
    assert upstream.bodies[-1]["temperature"] == 0.3
