"""Use the widgets in JupyterLab, with a real pull."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, Request, Response, expect

from support.hub_server import HubServer
from support.lab_page import (
    PULL,
    SECONDS,
    axe_violations,
    close_find,
    each_theme,
    load,
    pull_from,
    register,
    row,
    run_cell,
    wait_for_kernel,
    write_notebook,
)

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

QUESTION = "What is the capital city of France? Answer in one short English sentence."
STORY = "Write a very long story about a lighthouse keeper."
RATE = re.compile(r"[1-9]\S* [kM]B/s")
WIDGETS = (".a3s-models", ".a3s-one-pull", ".a3s-chat")
TABLE, PULLING, CHAT, SLEEP, MAGIC, MANY = range(6)
CELLS = [
    "import a3s_power_jupyter as power\nclient = power.connect()\nclient.table()",
    f"client.pull_widget({PULL!r})",
    "client.chat_widget('smollm2')",
    "import time\nfor _ in range(6000): time.sleep(0.1)",
    f"%load_ext a3s_power_jupyter\n%power pull {PULL}",
    "import a3s_power_jupyter as power\nfor _ in range(8):\n    display(power.connect().table())",
]


@pytest.fixture
def open_widgets(open_lab: Callable[..., Lab], tmp_path: Path) -> Callable[[], Lab]:
    """Open JupyterLab on a notebook with the widgets."""

    def open_() -> Lab:
        notebook = write_notebook(tmp_path / "widgets.ipynb", *CELLS)
        lab = open_lab("Light", notebook)
        wait_for_kernel(lab.page)
        lab.page.keyboard.press("Control+b")  # hides the file browser
        return lab

    return open_


def test_widgets(
    open_widgets: Callable[[], Lab], hub: HubServer, images: Path, tmp_path: Path
) -> None:
    lab = open_widgets()
    page = lab.page
    with lab.server.api() as api:
        register(api, "smollm2", "other", "third")
        table = run_cell(page, TABLE).locator(".a3s-models")
        check_table(table, api)
        # Pull from the table and watch in the widget while the kernel is busy.
        hub.fail("model-Q4_1.gguf", times=None, rate=200_000)  # outlasts the test
        pull_from(table, PULL)
        close_find(table)
        pull = run_cell(page, PULLING).locator(".a3s-one-pull")
        expect(pull).to_contain_text(RATE, timeout=30 * SECONDS)
        chat = run_cell(page, CHAT).locator(".a3s-chat")
        expect(chat.get_by_label("Model", exact=True)).to_have_value(
            "smollm2", timeout=30 * SECONDS
        )
        run_cell(page, SLEEP)
        expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "busy"
        )
        check_chat(chat)
        for theme in each_theme(page):
            chat.screenshot(path=images / f"chat-{theme}.png")
            table.scroll_into_view_if_needed()
            page.screenshot(path=images / f"widgets-{theme}.png")
            for selector in WIDGETS:
                assert axe_violations(page, selector) == []
        check_pull(pull, api)
        check_delete(table, api)
        check_narrow(page, tmp_path / "narrow.png")


def check_table(table: Locator, api: Any) -> None:
    """Check that the table shows changes made elsewhere, and that its buttons work."""
    smollm2, other = row(table, "smollm2"), row(table, "other")
    expect(smollm2).to_contain_text("unloaded", timeout=30 * SECONDS)
    names = table.get_by_role("rowheader")
    table.get_by_role("button", name="Name").click()
    expect(names).to_contain_text(["third", "smollm2", "other"])
    load(api, "other")
    expect(other).to_contain_text("min left")
    load(api, "smollm2")  # evicts the other model
    expect(other).to_contain_text("unloaded")
    expect(smollm2).to_contain_text("min left")
    expect(table.get_by_role("status")).to_contain_text("3 models")
    expect(table.locator(".a3s-memory")).to_contain_text("smollm2 ")
    pin = smollm2.get_by_role("button", name="Pin smollm2")
    pin.focus()
    pin.press("Enter")
    expect(smollm2).to_contain_text("pinned")
    unpin = smollm2.get_by_role("button", name="Unpin smollm2")
    expect(unpin).to_be_focused()
    unpin.press("Enter")
    expect(smollm2).not_to_contain_text("pinned")
    api.delete("v1/models/other").raise_for_status()
    expect(other).to_have_count(0)
    table.get_by_label("Filter models").fill("thi gguf")
    expect(smollm2).to_have_count(0)
    expect(row(table, "third")).to_be_visible()
    table.get_by_label("Filter models").fill("")
    expect(names).to_contain_text(["smollm2", "third"])  # the one in memory is the first


def check_pull(pull: Locator, api: Any) -> None:
    """Check that pausing, resuming and canceling work."""
    bar = pull.get_by_role("progressbar")
    pull.get_by_role("button", name="Pause").click()
    expect(pull).to_contain_text("paused")
    before = bar.get_attribute("value")
    time.sleep(0.6)
    assert bar.get_attribute("value") == before
    pull.get_by_role("button", name="Resume").click()
    expect(pull).to_contain_text(RATE, timeout=20 * SECONDS)
    expect(bar).not_to_have_attribute("value", before or "")
    cancel = pull.get_by_role("button", name="Cancel")
    cancel.click()
    expect(pull).to_contain_text(re.compile(r"Discard \d"))
    pull.get_by_role("button", name="Go back").last.press("Escape")
    expect(cancel).to_be_focused()
    cancel.click()
    pull.get_by_role("button", name="Discard").click()
    expect(pull).to_contain_text("cancelled")
    expect(pull.get_by_role("button", name="Pull")).to_be_visible()
    assert api.get("v1/models/pull").json()["data"][0]["status"] == "cancelled"


def check_chat(chat: Locator) -> None:
    chat.get_by_text("Parameters").click()
    chat.get_by_label("Temperature").fill("0")
    chat.get_by_label("Message").fill(QUESTION)
    chat.get_by_role("button", name="Send").click()
    expect(chat.get_by_role("log")).to_contain_text("Paris", timeout=60 * SECONDS)
    expect(chat.get_by_role("status")).to_contain_text(" tokens/s · ", timeout=60 * SECONDS)


def check_delete(table: Locator, api: Any) -> None:
    """Check that deleting asks for confirmation."""
    third = row(table, "third")
    third.get_by_role("button", name="Delete third").click()
    table.get_by_role("button", name="Keep third").press("Escape")
    expect(third.get_by_role("button", name="Delete third")).to_be_focused()
    assert api.get("v1/models/third").status_code == 200
    third.get_by_role("button", name="Delete third").click()
    table.get_by_role("button", name="Delete: third").click()
    expect(third).to_have_count(0)
    assert api.get("v1/models/third").status_code == 404


def check_narrow(page: Page, image: Path) -> None:
    """Check that at a width of 400 pixels all buttons are visible and nothing overflows."""
    page.set_viewport_size({"width": 400, "height": 900})
    table = page.locator(".a3s-models").first
    table.scroll_into_view_if_needed()
    smollm2 = row(table, "smollm2")
    for action in ("Unload", "Pin", "Delete"):
        expect(smollm2.get_by_role("button", name=f"{action} smollm2")).to_be_in_viewport(ratio=1)
    for selector in WIDGETS:
        overflow = "e => e.scrollWidth - e.parentElement.clientWidth"
        assert page.locator(selector).first.evaluate(overflow) <= 0
    for _theme in each_theme(page):
        for selector in WIDGETS:
            assert axe_violations(page, selector) == []
    page.screenshot(path=image)


def test_many_widgets_share_one_stream(open_widgets: Callable[[], Lab]) -> None:
    """A stream per widget would use up the browser's six connections to the server."""
    page = open_widgets().page
    streams: list[Request] = []
    page.on("request", lambda request: streams.append(request) if _is_stream(request) else None)
    run_cell(page, MANY)
    cell = page.locator(".jp-CodeCell").nth(MANY)
    expect(cell.locator(".a3s-models")).to_have_count(8, timeout=60 * SECONDS)
    expect(cell.get_by_text("No models yet.")).to_have_count(8)
    assert streams == []  # all use the stream of the status bar


def _is_stream(request: Request) -> bool:
    return request.url.endswith("/v1/events")


def test_the_pull_of_a_cell_can_be_paused_in_its_widget(
    open_widgets: Callable[[], Lab], hub: HubServer
) -> None:
    page = open_widgets().page
    hub.fail("model-Q4_1.gguf", times=None, rate=2_000_000)
    pull = run_cell(page, MAGIC).locator(".a3s-one-pull")
    expect(pull).to_contain_text(RATE, timeout=30 * SECONDS)
    pull.get_by_role("button", name="Pause").click()
    expect(page.locator(".jp-CodeCell").nth(MAGIC)).to_contain_text("Run this cell again to resume")
    hub.clear_failures()
    pull = run_cell(page, MAGIC).locator(".a3s-one-pull")
    expect(pull).to_contain_text("done", timeout=60 * SECONDS)
    expect(pull).to_contain_text("98.4 MB")


def test_widgets_survive_a_page_reload_and_a_kernel_restart(
    open_widgets: Callable[[], Lab],
) -> None:
    lab = open_widgets()
    page = lab.page
    with lab.server.api() as api:
        register(api, "smollm2")
        table = run_cell(page, TABLE).locator(".a3s-models")
        expect(row(table, "smollm2")).to_contain_text("unloaded", timeout=30 * SECONDS)
        chat = run_cell(page, CHAT).locator(".a3s-chat")
        expect(chat).to_be_visible(timeout=30 * SECONDS)
        check_chat(chat)
        save(page)

        # Reload the page; the kernel keeps running.
        page.reload()
        expect(chat.get_by_role("log")).to_contain_text("Paris", timeout=60 * SECONDS)
        expect(row(table, "smollm2")).to_contain_text("min left", timeout=30 * SECONDS)

        # Restart the kernel; the page stays open.
        (kernel,) = api.get("api/kernels").json()
        api.post(f"api/kernels/{kernel['id']}/restart").raise_for_status()
        api.post("v1/models/smollm2/unload").raise_for_status()
        expect(row(table, "smollm2")).to_contain_text("unloaded")
        row(table, "smollm2").get_by_role("button", name="Load smollm2").click()
        expect(row(table, "smollm2")).to_contain_text("min left", timeout=60 * SECONDS)
        expect(chat.get_by_role("log")).to_contain_text("Paris")

        # Another kernel does not have the widgets: the notebook shows them as they were saved.
        for session in api.get("api/sessions").json():
            api.delete(f"api/sessions/{session['id']}").raise_for_status()
        page.reload()
        saved = page.locator(".a3s-saved-widget")
        expect(saved).to_have_count(2, timeout=60 * SECONDS)
        expect(saved.get_by_text("As saved. Run the cell to use it.")).to_have_count(2)
        expect(saved.first.get_by_role("table")).to_contain_text("loaded")
        expect(saved.last).to_contain_text(QUESTION)
        expect(saved.last).to_contain_text("Paris")
        wait_for_kernel(page)
        expect(page.get_by_text("model not found").locator("visible=true")).to_have_count(0)
        expect(saved.last).to_contain_text("Paris")


def test_a_chat_keeps_its_question_and_answer_when_the_page_is_reloaded(
    open_widgets: Callable[[], Lab],
) -> None:
    lab = open_widgets()
    page = lab.page
    with lab.server.api() as api:
        register(api, "smollm2")
        load(api, "smollm2")
    run_cell(page, TABLE)
    chat = run_cell(page, CHAT).locator(".a3s-chat")
    check_keys(page, chat)

    chat.get_by_text("Parameters").click()
    chat.get_by_label("Max tokens").fill("4000")
    chat.get_by_label("Message").fill(STORY)
    chat.get_by_label("Message").press("Enter")
    log = chat.get_by_role("log")
    expect(log.locator(".a3s-message")).to_have_count(2, timeout=60 * SECONDS)
    begun = re.compile(r".{40,}", re.DOTALL)
    expect(log.locator(".a3s-message").last).to_have_text(begun, timeout=60 * SECONDS)
    save(page)
    page.wait_for_timeout(1.5 * SECONDS)  # the answer is saved once a second
    page.reload()
    expect(log).to_contain_text(STORY, timeout=60 * SECONDS)
    expect(log.locator(".a3s-message").last).to_contain_text("Incomplete")
    text = log.locator(".a3s-content").last.inner_text()
    assert len(text) > 10
    chat.get_by_role("button", name="Continue").click()
    expect(log).not_to_contain_text("Incomplete")
    expect(log.locator(".a3s-content").last).to_have_text(
        re.compile(re.escape(text) + ".{10,}", re.DOTALL), use_inner_text=True
    )
    chat.get_by_role("button", name="Stop").click()
    expect(chat.get_by_role("status")).to_contain_text("stopped")
    chat.get_by_role("button", name="Clear").click()
    expect(chat.get_by_role("button", name="What can you help me with?")).to_be_enabled()


def save(page: Page) -> None:
    """Save the notebook, and wait for the server's reply."""
    page.locator(".jp-InputPrompt").first.click()  # the widgets have no shortcuts of JupyterLab
    with page.expect_response(_is_save):
        page.keyboard.press("Control+s")


def _is_save(response: Response) -> bool:
    return response.request.method == "PUT" and "api/contents/widgets.ipynb" in response.url


def check_keys(page: Page, chat: Locator) -> None:
    """Check that the keys of a message reach the message and not the notebook."""
    message = chat.get_by_label("Message")
    cells = page.locator(".jp-Cell")
    count = cells.count()
    message.fill("a")
    for key in ("Shift+Enter", "b", "d", "d", "Escape", "x", "ArrowUp", "ArrowDown"):
        message.press(key)
    expect(message).to_have_value("a\nbddx")
    expect(message).to_be_focused()
    assert cells.count() == count
    # Enter that ends the composition of an input method does not send.
    message.evaluate("""field => field.dispatchEvent(
        new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))""")
    expect(message).to_have_value("a\nbddx")
    message.press("Control+z")
    expect(message).not_to_have_value("a\nbddx")
    with page.expect_response(_is_save):  # a shortcut of the whole page
        message.press("Control+s")
    message.fill("")
