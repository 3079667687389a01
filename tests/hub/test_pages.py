"""Use JupyterLab in Chromium behind a real JupyterHub."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from support.hub_pages import open_lab, open_panel
from support.jupyterhub import START, Hub
from support.lab_page import SECONDS, row


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
    # The first request that is refused shows it. Without one, that takes a minute or two.
    row(panel, "smollm2").get_by_role("button", name="Details of smollm2").click()
    panel.get_by_text("Chat template").click()
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
