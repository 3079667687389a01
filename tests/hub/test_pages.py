"""Use JupyterLab in Chromium behind a real JupyterHub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.jupyterhub import PASSWORD, START, Hub
from support.lab_page import NO_NEWS, SECONDS, open_by_palette, row, run_chromium, write_settings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as chromium:
        yield chromium


def open_lab(hub: Hub, browser: Browser, user: str) -> Page:
    """Log in on the hub's page in a context of its own, and open JupyterLab."""
    for plugin, values in NO_NEWS.items():
        write_settings(hub.server(user), plugin, values)
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{hub.url}hub/login?next=/user/{user}/lab?reset")
    page.locator("#username_input").fill(user)
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    page.wait_for_url(f"**/user/{user}/lab*", timeout=START * SECONDS)
    return page


def open_panel(page: Page) -> Locator:
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    expect(panel.get_by_role("status")).to_contain_text("1 model", timeout=30 * SECONDS)
    return panel


def test_the_panel_loads_a_model_of_its_user_only(hub: Hub, browser: Browser) -> None:
    ada, bob = (open_lab(hub, browser, user) for user in ("ada", "bob"))
    of_ada, of_bob = open_panel(ada), open_panel(bob)
    for user in ("ada", "bob"):
        with hub.as_user(user) as api:
            api.post("v1/models/smollm2/unload")
    row(of_ada, "smollm2").get_by_role("button", name="Load smollm2").click()
    expect(row(of_ada, "smollm2")).to_contain_text("min left", timeout=START * SECONDS)
    expect(row(of_bob, "smollm2")).to_contain_text("unloaded")
    for page in (ada, bob):
        assert all(token not in page.content() for token in hub.tokens.values())
        page.context.close()


def test_a_logout_in_another_tab(hub: Hub, browser: Browser) -> None:
    page = open_lab(hub, browser, "ada")
    panel = open_panel(page)
    other = page.context.new_page()
    other.goto(f"{hub.url}hub/logout")
    page.bring_to_front()
    expect(panel.get_by_role("status")).to_contain_text("logged out", timeout=START * SECONDS)
    page.context.close()


def test_a_server_that_is_started_again(hub: Hub, browser: Browser) -> None:
    """The new server does not know the cookie of the page, until the page is reloaded."""
    page = open_lab(hub, browser, "ada")
    status = open_panel(page).get_by_role("status")
    hub.stop("ada")
    expect(status).to_contain_text("Connection lost", timeout=START * SECONDS)
    hub.start("ada")
    expect(status).to_contain_text("Reload it", timeout=START * SECONDS)
    page.goto(f"{hub.url}user/ada/lab?reset")
    open_panel(page)
    page.context.close()
