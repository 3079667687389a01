"""Use the panel and the assistant in JupyterLab behind a real JupyterHub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.hub_pages import (
    RATE,
    STORY,
    ask,
    check_that_it_grows,
    open_lab,
    open_panel,
)
from support.hub_server import HubServer
from support.jupyterhub import Hub
from support.lab_page import (
    PULL,
    REPO,
    SECONDS,
    close_find,
    each_theme,
    open_assistant,
    pull_from,
    row,
)
from support.model_files import smollm2
from support.waiting import wait_until


@pytest.fixture
def repository(huggingface: HubServer) -> Iterator[HubServer]:
    """The stand-in for Hugging Face, with the model that the panel pulls."""
    huggingface.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
    yield huggingface
    huggingface.clear_failures()


def test_models_are_pulled_loaded_registered_and_deleted(
    hub: Hub, browser: Browser, repository: HubServer
) -> None:
    (hub.home("ada") / "tiny.gguf").symlink_to(smollm2())
    page = open_lab(hub, browser, "ada")
    panel = open_panel(page)

    # A pull with progress is cancelled, and the next one ends.
    repository.fail("model-Q4_1.gguf", times=None, rate=2_000_000)
    pull_from(panel, PULL)
    pull = panel.get_by_role("list", name="Pulls").get_by_role("listitem")
    expect(pull).to_contain_text(RATE, timeout=30 * SECONDS)
    bar = pull.get_by_role("progressbar")
    before = bar.get_attribute("value")
    expect(bar).not_to_have_attribute("value", before or "", timeout=30 * SECONDS)
    pull.get_by_role("button", name=f"Cancel {PULL}", exact=True).click()
    panel.get_by_role("button", name=f"Discard {PULL}").click()
    expect(pull).to_have_count(0)
    with hub.as_user("ada") as api:
        (state,) = api.get("v1/models/pull").json()["data"]
        assert state["status"] == "cancelled"
        assert api.get(f"v1/models/{PULL}").status_code == 404
    repository.clear_failures()
    pull_from(panel, PULL)
    expect(pull).to_contain_text("done", timeout=60 * SECONDS)
    close_find(panel)

    model = row(panel, PULL)
    model.get_by_role("button", name=f"Load {PULL}").click()
    expect(model).to_contain_text("min left", timeout=60 * SECONDS)
    model.get_by_role("button", name=f"Unload {PULL}").click()
    expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)

    # The path of the file browser is a path on the server.
    file = page.locator(".jp-DirListing-item").filter(has_text="tiny.gguf")
    file.click(button="right", timeout=30 * SECONDS)
    page.locator(".lm-Menu").get_by_text("Register as local model").click()
    expect(row(panel, "tiny")).to_be_visible(timeout=30 * SECONDS)

    for name in (PULL, "tiny"):
        row(panel, name).get_by_role("button", name=f"Delete {name}").click()
        panel.get_by_role("button", name=f"Delete: {name}").click()
        expect(row(panel, name)).to_have_count(0)
        with hub.as_user("ada") as api:
            assert api.get(f"v1/models/{name}").status_code == 404
    page.context.close()


def test_a_chat_in_the_sidebar(hub: Hub, browser: Browser, tmp_path: Path) -> None:
    with hub.as_user("ada") as api:
        body = {
            "name": "endless",
            "path": str(smollm2()),
            # With these, the story repeats itself until the context is full.
            "default_parameters": {"num_ctx": 8192, "temperature": 0, "repeat_penalty": 0.8},
        }
        api.post("v1/models", json=body).raise_for_status()
    page = open_lab(hub, browser, "ada")
    chat = open_assistant(page)
    answer = ask(chat, STORY, "endless")
    check_that_it_grows(answer)
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves its layout after a second
    before = answer.inner_text()[:20]

    # The answer goes on after a reload, until it is stopped.
    page.reload()
    expect(answer).to_contain_text(before, timeout=60 * SECONDS)
    stop = chat.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled(timeout=30 * SECONDS)
    check_that_it_grows(answer)
    stop.click()
    expect(stop).to_be_disabled(timeout=30 * SECONDS)
    with hub.as_user("ada") as api:
        # The server has learned of it through the proxy.
        running = "v1/models/endless"
        wait_until(lambda: api.get(running).json()["requests_running"] == 0)
        api.delete("v1/models/endless").raise_for_status()
        titles = [each["title"] for each in api.get("v1/assistant/chats").json()["data"]]
    assert any(title.startswith("Write a very long story") for title in titles)
    page.locator(".jp-LauncherCard").filter(has_text="Local Models").click()
    expect(row(page.locator(".a3s-panel"), "smollm2")).to_be_visible(timeout=30 * SECONDS)
    for theme in each_theme(page):
        page.screenshot(path=tmp_path / f"behind-{theme}.png")
    page.context.close()
