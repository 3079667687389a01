"""Pull models in the panel: fixed places, questions, candidates, notifications, the status bar."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.hub_server import HubServer
from support.lab_page import PULL, REPO, SECONDS, axe_violations, close_find, pull_from

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

RATE = re.compile(r"\d [kM]B/s")


def test_pulls_in_the_panel(open_lab: Callable[..., Lab], hub: HubServer) -> None:
    lab = open_lab("Light")
    page = lab.page
    page.locator(".jp-LauncherCard").filter(has_text="Local Models").click(timeout=60 * SECONDS)
    panel = page.locator(".a3s-panel")
    pulls = panel.get_by_role("list", name="Pulls").get_by_role("listitem")
    toasts = page.locator(".jp-toast-message")

    # What is typed stays until a pull has begun. A failure offers what can be pulled instead.
    pull_from(panel, f"{REPO}:Q8_0")
    box = panel.get_by_label("Model to pull")
    expect(panel.get_by_role("alert").filter(has_text="matches 'Q8_0'")).to_be_visible()
    expect(box).to_have_value(f"{REPO}:Q8_0")
    expect(pulls).to_have_count(0)
    with lab.server.api() as api:
        body = {"name": f"{REPO}:Q5_0", "background": True}
        api.post("v1/models/pull", json=body).raise_for_status()
    failed = pulls.filter(has_text=":Q5_0")
    expect(failed).to_contain_text("failed")
    expect(failed.get_by_role("button", name="Retry")).to_have_count(0)  # it would fail again
    hub.fail("model-Q4_1.gguf", times=None, rate=2_000_000)
    failed.get_by_role("button", name=f"Pull {PULL}").click()
    expect(failed).to_have_count(0)
    pull = pulls.filter(has_text=":Q4_1")
    expect(pull).to_contain_text(RATE, timeout=30 * SECONDS)

    # The buttons stay where they are.
    pause = pull.get_by_role("button", name=re.compile("^(Pause|Resume) "))
    cancel = pull.get_by_role("button", name=f"Cancel {PULL}", exact=True)
    expect(pause).to_be_focused()

    def places() -> list[object]:
        return [pause.bounding_box(), cancel.bounding_box()]

    while_pulling = places()
    pause.press("Enter")
    expect(pull).to_contain_text("paused")
    assert places() == while_pulling
    expect(pause).to_be_focused()
    cancel.click()
    assert places() == while_pulling

    # Cancel asks, because there are bytes on disk.
    expect(pull.get_by_role("group", name=re.compile(r"Discard \d.* [kM]B\?"))).to_be_visible()
    assert axe_violations(page, ".a3s-pulls") == []
    pull.get_by_role("button", name=f"Go back to the pull of {PULL}").press("Escape")
    expect(cancel).to_be_focused()
    expect(pull).to_contain_text("paused")
    cancel.click()
    pull.get_by_role("button", name=f"Cancel {PULL}, keep files").click()
    expect(pull).to_contain_text("What was downloaded is kept")
    pull.get_by_role("button", name=f"Pull {PULL}").click()
    expect(pull).to_contain_text(RATE, timeout=30 * SECONDS)

    # The status bar has the percentage, and its popup a button for each row.
    status = page.get_by_role("button", name=re.compile(r"Q4_1 \d+%\. Show details"))
    status.press("Enter")
    popup = page.get_by_role("dialog", name="Power")
    expect(popup.get_by_role("row", name=PULL)).to_contain_text(re.compile(r"\d%"))
    expect(popup.get_by_role("button", name=f"Pause {PULL}")).to_be_focused()
    assert axe_violations(page, ".a3s-PowerPopup") == []
    page.keyboard.press("Escape")
    expect(popup).to_have_count(0)
    expect(status).to_be_focused()

    # The end of a pull is a notification, and stays in the list until it is dismissed.
    expect(toasts).to_have_count(0)
    hub.clear_failures()
    pause.click()
    pull.get_by_role("button", name=f"Resume {PULL}").click()
    expect(toasts.filter(has_text=f"Pulled {PULL} (98.4 MB).")).to_be_visible(timeout=60 * SECONDS)
    expect(toasts).to_have_count(1)
    expect(pull).to_contain_text("done")
    pull.get_by_role("button", name=f"Dismiss {PULL}").click()
    expect(pulls).to_have_count(0)
    if box.count() == 0:
        panel.get_by_role("button", name="Add model").click()
    pull_from(panel, PULL)
    expect(pull).to_contain_text("already here")
    expect(box).to_have_value("")
    pull.get_by_role("button", name=f"Dismiss {PULL}").click()
    expect(pulls).to_have_count(0)
    close_find(panel)
    expect(panel.get_by_role("row").filter(has_text=PULL)).to_be_visible()
