"""Steps of the tests that use JupyterLab behind a real JupyterHub."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from support.jupyterhub import PASSWORD, START, Hub
from support.lab_page import NO_NEWS, SECONDS, open_by_palette, write_settings

#: The rate of a pull under way.
RATE = re.compile(r"[1-9]\S* [kM]B/s")
STORY = "Write a very long story about a lighthouse keeper."


def new_page(browser: Browser, **context: Any) -> Page:
    """Return a page with cookies of its own; `context` are options of `Browser.new_context`."""
    return browser.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()


def log_in(
    hub: Hub,
    page: Page,
    user: str,
    *,
    name: str = "",
    settings: dict[str, dict[str, Any]] | None = None,
    path: str = "lab",
) -> None:
    """Log in on the hub's page, and open JupyterLab on a server of the user.

    Parameters
    ----------
    name : str
        The name of the server.
    settings : dict
        The user's settings of JupyterLab by plugin.
    path : str
        What to open, such as ``lab/tree/a.ipynb``.
    """
    for plugin, values in (NO_NEWS | (settings or {})).items():
        write_settings(hub.server(user), plugin, values)
    target = hub.url_of(user, name)
    page.goto(f"{hub.url}hub/login?next={urlsplit(target).path}{path}?reset")
    page.locator("#username_input").fill(user)
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    page.wait_for_url(re.compile(re.escape(target) + "lab"), timeout=START * SECONDS)


def open_lab(hub: Hub, browser: Browser, user: str, **options: Any) -> Page:
    """Log in as `log_in` does, in a context of its own."""
    page = new_page(browser)
    log_in(hub, page, user, **options)
    return page


def open_panel(page: Page) -> Locator:
    """Open the panel, and wait until it has the models."""
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    expect(panel.get_by_role("status").first).to_contain_text(
        re.compile(r"\d models?"), timeout=30 * SECONDS
    )
    return panel


def ask(panel: Locator, text: str, model: str = "smollm2") -> Locator:
    """Ask a question in the assistant, and return the last answer."""
    panel.get_by_label("Model", exact=True).select_option(model)
    panel.get_by_label("Message", exact=True).fill(text)
    panel.page.keyboard.press("Enter")
    return panel.get_by_role("log").locator(".a3s-message:not(.a3s-user)").last


def check_that_it_grows(answer: Locator, *, times: int = 3) -> None:
    """Wait until the text of an answer has grown some times.

    An answer that is buffered on its way would appear whole.
    """
    length = 0
    for _ in range(times):
        more = re.compile(f".{{{length + 10},}}", re.DOTALL)
        expect(answer).to_have_text(more, timeout=60 * SECONDS, use_inner_text=True)
        length = len(answer.inner_text())
    running = answer.page.get_by_role("button", name="Stop").locator("visible=true")
    expect(running).to_be_enabled()
