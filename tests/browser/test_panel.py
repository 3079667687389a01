"""Use the Local Models panel in JupyterLab, without a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, expect

from support.hub_server import HubServer
from support.lab_page import (
    PULL,
    SECONDS,
    SHARDS,
    axe_violations,
    close_find,
    each_theme,
    limit_answers,
    load,
    long_answer,
    open_by_palette,
    pull_from,
    register,
    row,
    write_settings,
)

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

PLUGIN = "a3s-power-jupyter/plugin"


@pytest.fixture
def open_panel(open_lab: Callable[..., Lab]) -> Callable[..., Lab]:
    """Open JupyterLab without a notebook, with three models."""

    def open_(theme: str, settings: dict[str, Any] | None = None) -> Lab:
        lab: Lab = open_lab(theme, settings={PLUGIN: settings or {}})
        with lab.server.api() as api:
            register(api, "smollm2", "other", "third")
        return lab

    return open_


def test_panel(open_panel: Callable[..., Lab], hub: HubServer, images: Path) -> None:
    lab = open_panel("Light")
    page = lab.page
    launcher = page.locator(".jp-LauncherCard").filter(has_text="Local Models")
    launcher.click(timeout=60 * SECONDS)
    panel = page.locator(".a3s-panel")
    smollm2, other = row(panel, "smollm2"), row(panel, "other")
    status = page.get_by_role("button", name="Show details")
    expect(smollm2).to_contain_text("unloaded")
    expect(status).to_be_hidden()
    with lab.server.api() as api:
        # Changes made elsewhere: a load, an eviction, a deletion.
        load(api, "other")
        expect(other).to_contain_text("min left")
        load(api, "smollm2")
        expect(other).to_contain_text("unloaded")
        api.delete("v1/models/third").raise_for_status()
        expect(row(panel, "third")).to_have_count(0)
        expect(panel.get_by_role("status")).to_contain_text("2 models")
        expect(panel.locator(".a3s-memory")).to_contain_text("smollm2 ")

        hub.fail("model-Q4_1.gguf", times=None, rate=200_000)
        pull_from(panel, PULL)
        close_find(panel)
        expect(panel.get_by_role("button", name=f"Pause {PULL}")).to_be_visible()
        expect(status).to_have_accessible_name(re.compile(f"pulling {PULL} "))
        expect(panel.locator(".a3s-pull")).to_contain_text("kB/s", timeout=30 * SECONDS)
        with long_answer(lab.server, "smollm2"):
            expect(smollm2).to_contain_text("tokens/s", timeout=30 * SECONDS)
            for theme in each_theme(page):
                page.screenshot(path=images / f"panel-{theme}.png")
                assert axe_violations(page, ".a3s-panel") == []

        # Changes made in the panel.
        panel.get_by_role("button", name=f"Cancel {PULL}").click()
        panel.get_by_role("button", name=f"Discard {PULL}").click()
        expect(panel.locator(".a3s-pull")).to_have_count(0)
        other.get_by_role("button", name="Load other").dblclick()  # is one click
        expect(other).to_contain_text("min left", timeout=60 * SECONDS)
        other.get_by_role("button", name="Unload other").click()
        expect(status).to_be_hidden()

        # A pull of several files has one bar, and a list of its files.
        hub.fail("m-Q4_0-00001-of-00002.gguf", times=None, rate=100_000)
        pull_from(panel, f"{SHARDS}:Q4_0")
        files = panel.locator(".a3s-files")
        panel.get_by_role("button", name=f"Details of the pull of {SHARDS}:Q4_0").click()
        expect(files.get_by_role("listitem").first).to_have_text(
            re.compile(r"m-Q4_0-00001-of-00002.gguf: [1-9]\S* [kM]?B of 5.0 MB"),
            timeout=30 * SECONDS,
        )
        expect(panel.locator(".a3s-pull").get_by_role("progressbar")).to_have_count(1)
        panel.get_by_role("button", name=f"Cancel {SHARDS}:Q4_0").click()
        panel.get_by_role("button", name=f"Discard {SHARDS}:Q4_0").click()

        # An error is shown, and the input keeps its text.
        pull_from(panel, "no such reference")
        alert = panel.locator(".a3s-find").get_by_role("alert")
        expect(alert.filter(has_text="no such reference")).to_be_visible()
        expect(panel.get_by_label("Model to pull")).to_have_value("no such reference")


def test_a_busy_model(open_panel: Callable[..., Lab]) -> None:
    """Numbers that change do not move the columns."""
    lab = open_panel("Light")
    page = lab.page
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    smollm2 = row(panel, "smollm2")
    context = smollm2.locator("[data-column=context]")
    with lab.server.api() as api:
        load(api, "smollm2")
    expect(smollm2).to_contain_text("min left")
    expect(context).to_have_text("8192")
    idle = places(panel)
    with long_answer(lab.server, "smollm2"), long_answer(lab.server, "smollm2"):
        expect(smollm2).to_contain_text(re.compile(r"[12] running"), timeout=30 * SECONDS)
        expect(smollm2).to_contain_text(re.compile(r"\d tokens/s"), timeout=30 * SECONDS)
        expect(context).to_have_text(re.compile(r"^\d+(\.\dk)? of 8.2k$"))
        expect(context).to_have_attribute("title", re.compile(r"^[\d,]+ of 8,192 tokens in use$"))
        assert places(panel) == pytest.approx(idle, abs=1)
        assert context.evaluate("cell => getComputedStyle(cell, '::after').height") == "3px"
        expect(row(panel, "other")).not_to_contain_text("tokens/s")
    expect(smollm2).to_contain_text("min left", timeout=30 * SECONDS)
    expect(smollm2).not_to_contain_text("tokens/s")
    expect(context).to_have_text("8192")
    assert places(panel) == pytest.approx(idle, abs=1)


def places(panel: Locator) -> list[float]:
    """Return the positions and sizes of the column headers and the rows, in pixels."""
    boxes = [cell.bounding_box() for cell in panel.locator("thead th, tbody tr").all()]
    return [value for box in boxes for value in (box or {}).values()]


def test_the_panel_survives_a_reload_and_a_lost_connection(
    open_panel: Callable[..., Lab],
) -> None:
    lab = open_panel("Light")
    page = lab.page
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    expect(row(panel, "smollm2")).to_contain_text("unloaded")
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves the layout after a second
    page.reload()
    expect(row(panel, "smollm2")).to_contain_text("unloaded", timeout=60 * SECONDS)
    with lab.server.api() as api:
        page.route("**/v1/events", lambda route: route.abort())
        page.evaluate("window.stop()")  # closes the event stream
        expect(panel.get_by_role("status")).to_contain_text("Connection lost")
        load(api, "smollm2")
        page.unroute("**/v1/events")
        expect(row(panel, "smollm2")).to_contain_text("min left", timeout=30 * SECONDS)
        expect(panel.get_by_role("status")).to_contain_text("3 models")


def test_rows(open_panel: Callable[..., Lab], tmp_path: Path) -> None:
    """Long names, deletion, order, filter and widths, also after a reload."""
    lab = open_panel("Light")
    page = lab.page
    first, second = (f"tests/A-long-name-of-a-model-in-the-table-GGUF:Q{n}_K_M" for n in (4, 8))
    with lab.server.api() as api:
        register(api, first, second)
        load(api, "third")
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    expect(panel.get_by_role("rowheader")).to_have_count(5)
    assert names(panel) == ["third", "other", "smollm2", first, second]  # in memory first
    assert panel.get_by_role("columnheader", name="Memory").is_visible()

    # A long name keeps its end, on one line.
    page.set_viewport_size({"width": 800, "height": 600})
    cell = row(panel, first).get_by_role("rowheader")
    expect(cell.locator(".a3s-name-end")).to_have_text(":Q4_K_M")
    assert cell.locator(".a3s-name-start").evaluate(
        "start => start.scrollWidth > start.clientWidth"
    )
    assert (cell.bounding_box() or {})["height"] < 36
    expect(cell).to_have_attribute("title", re.compile(re.escape(first) + "\\ncompletion"))
    assert axe_violations(page, ".a3s-panel") == []

    # With nearly no room beside the file browser, the panel scrolls instead of breaking words.
    page.set_viewport_size({"width": 400, "height": 600})
    assert (panel.locator(".a3s-models").bounding_box() or {})["width"] >= 200
    assert panel.evaluate("panel => panel.scrollWidth > panel.clientWidth")
    page.set_viewport_size({"width": 800, "height": 600})

    # A deletion says what stays, and gives the focus to the next row.
    row(panel, "other").get_by_role("button", name="Details of other").click()
    row(panel, "other").get_by_role("button", name="Delete other").click()
    question = panel.get_by_role("group").filter(has_text="Delete other?")
    expect(question).to_contain_text("Frees nothing on disk.")
    expect(question).to_contain_text("stays.")
    expect(question.get_by_role("button", name="Keep other")).to_be_focused()
    page.keyboard.press("Escape")
    expect(row(panel, "other").get_by_role("button", name="Delete other")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(row(panel, "other")).to_have_count(0)
    expect(row(panel, "smollm2").get_by_role("button", name="Delete smollm2")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(row(panel, "third").get_by_role("button", name="Delete third")).to_be_focused()

    # A busy model is only unloaded or deleted if its requests may be stopped.
    with long_answer(lab.server, "third"):
        expect(row(panel, "third")).to_contain_text("1 running")
        row(panel, "third").get_by_role("button", name="Unload third").click()
        busy = panel.get_by_role("group").filter(has_text="It is answering 1 request")
        busy.get_by_role("button", name="Keep third").click()
        expect(row(panel, "third").get_by_role("button", name="Unload third")).to_be_focused()
        row(panel, "third").get_by_role("button", name="Delete third").click()
        busy.get_by_role("button", name="Stop and delete: third").click()
        expect(row(panel, "third")).to_have_count(0, timeout=30 * SECONDS)

    # The order, the filter and the widths.
    panel.get_by_role("button", name="Name", exact=True).click()
    assert names(panel) == [second, first, "smollm2"]
    panel.get_by_label("Filter models").fill("q8_k")
    expect(panel.get_by_role("status").first).to_have_text("1 of 3 models")
    page.set_viewport_size({"width": 1280, "height": 900})
    header = panel.get_by_role("columnheader", name="Name")
    header.get_by_role("button").press("Shift+ArrowLeft")
    width = (header.bounding_box() or {})["width"]
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves the layout after a second
    page.reload()
    expect(panel.get_by_role("status").first).to_have_text("1 of 3 models", timeout=60 * SECONDS)
    assert (header.bounding_box() or {})["width"] == pytest.approx(width, abs=1)
    panel.get_by_label("Filter models").fill("")
    assert names(panel) == [second, first, "smollm2"]
    page.screenshot(path=tmp_path / "rows.png")


def names(panel: Locator) -> list[str | None]:
    """Return the names of the models in the order of the rows."""
    return [cell.get_attribute("aria-label") for cell in panel.get_by_role("rowheader").all()]


def test_a_chat_from_the_panel(open_panel: Callable[..., Lab]) -> None:
    """A chat needs no notebook, and is there after a reload."""
    lab = open_panel("Dark")
    with lab.server.api() as api:
        limit_answers(api, "smollm2")
    page = lab.page
    open_by_palette(page)
    panel = page.locator(".a3s-panel")
    row(panel, "smollm2").get_by_role("button", name="Chat with smollm2").click()
    chat = page.locator("#a3s-power-assistant")
    expect(chat.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type("What is the capital city of France? Answer briefly.")
    page.keyboard.press("Enter")
    answer = chat.get_by_role("log").locator(".a3s-message > .a3s-content").nth(1)
    expect(answer).to_have_text(re.compile(r"\w+"), timeout=60 * SECONDS)
    expect(chat.get_by_role("button", name="Stop")).to_be_disabled(timeout=60 * SECONDS)
    said = answer.inner_text()
    assert axe_violations(page, "#a3s-power-assistant") == []

    tabs = page.get_by_role("main").get_by_role("tab")
    tabs.filter(has_text="Local Models").locator(".lm-TabBar-tabCloseIcon").click()
    expect(panel).to_have_count(0)
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves the layout after a second
    page.reload()
    expect(answer).to_contain_text(said, timeout=60 * SECONDS)
    expect(panel).to_have_count(0)  # it was closed


def test_settings(open_panel: Callable[..., Lab]) -> None:
    settings = {"area": "right", "statusBar": False, "hiddenColumns": ["parameters", "size"]}
    lab = open_panel("Light", settings)
    page = lab.page
    tab = page.locator(".jp-SideBar.jp-mod-right").get_by_role("tab", name="Local Models")
    tab.click(timeout=60 * SECONDS)
    panel = page.locator("#jp-right-stack .a3s-panel")
    expect(row(panel, "smollm2")).to_be_visible()
    expect(panel.get_by_role("columnheader", name="State")).to_be_visible()
    for title in ("Params", "Disk"):
        expect(panel.get_by_role("columnheader", name=title)).to_have_count(0)
    with lab.server.api() as api:
        load(api, "smollm2")
    expect(row(panel, "smollm2")).to_contain_text("min left")
    expect(page.get_by_role("button", name="Show details")).to_be_hidden()

    # It stays where the settings say, whatever the saved layout.
    for area, place in [
        ("right", "#jp-right-stack"),
        ("left", "#jp-left-stack"),
        ("main", "#jp-main-dock-panel"),
        ("main", "#jp-main-dock-panel"),
    ]:
        write_settings(lab.server, PLUGIN, settings | {"area": area})
        page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves the layout after a second
        page.reload()
        expect(page.locator(f"{place} .a3s-panel")).to_have_count(1, timeout=60 * SECONDS)
        expect(page.locator(".a3s-panel")).to_have_count(1)
