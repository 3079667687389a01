"""Use a cell with tools and a chat with a model that thinks, live and in the reopened notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from support.lab_page import (
    SECONDS,
    axe_violations,
    each_theme,
    register_remote,
    run_cell,
    wait_for_kernel,
    write_notebook,
)
from support.servers import Server
from support.upstream_server import run_upstream

pytestmark = pytest.mark.browser

FUNCTIONS = """\
%load_ext a3s_power_jupyter
def weather(city: str, days: int = 1) -> dict:
    "Return the weather forecast for a city."
    return {"city": city, "forecast": ["sun, 15 degrees", "rain, 11 degrees"][:days]}
"""
QUESTION = "Do I need an umbrella in Paris tomorrow?"
TOOLS = 1


@pytest.fixture
def agent(lab_server: Server) -> Iterator[str]:
    """A remote model that thinks and calls what the question lists."""
    with run_upstream() as upstream:
        register_remote(lab_server, upstream, "agent")
        yield "agent"


def test_thoughts_and_calls_are_folded(
    open_lab: Callable[..., Any], agent: str, images: Path, tmp_path: Path
) -> None:
    notebook = write_notebook(
        tmp_path / "tools.ipynb",
        FUNCTIONS,
        f"%%power {agent} --tools weather\n{QUESTION}",
        "answer",
        f"import a3s_power_jupyter as power\npower.connect().chat_widget({agent!r})",
    )
    page = open_lab("Light", notebook).page
    wait_for_kernel(page)
    page.keyboard.press("Control+b")  # hides the file browser
    for number in range(4):
        run_cell(page, number)
    outputs = [page.locator(".jp-CodeCell").nth(n).locator(".jp-RenderedHTML") for n in (1, 2)]
    chat = page.locator(".a3s-chat")
    chat.get_by_label("Message").fill(QUESTION)
    chat.get_by_role("button", name="Send").click()
    log = chat.get_by_role("log")
    expect(log).to_contain_text("at 11 degrees", timeout=60 * SECONDS)
    expect(log.locator("summary")).to_contain_text("Thoughts (")

    for output in outputs:
        check_cell(output)
    check_thoughts(log, ".a3s-thoughts")
    for theme in each_theme(page):
        assert axe_violations(page, ".a3s-chat") == []
        chat.screenshot(path=images / f"thoughts-{theme}.png")
        page.locator(".jp-CodeCell").nth(TOOLS).screenshot(path=images / f"tools-{theme}.png")

    page.locator(".jp-InputPrompt").first.click()  # the chat has no shortcuts of JupyterLab
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.reload()
    wait_for_kernel(page)
    for output in outputs:
        check_cell(output)
    expect(log).to_contain_text("at 11 degrees", timeout=60 * SECONDS)
    check_thoughts(log, ".a3s-thoughts")
    page.screenshot(path=tmp_path / "reopened.png")


def check_cell(output: Locator) -> None:
    """Check that the calls are lines, and that the first thoughts and the first call unfold."""
    expect(output.locator("details")).to_have_count(3, timeout=60 * SECONDS)
    expect(output.locator("details[open]")).to_have_count(0)
    check_thoughts(output, "blockquote")
    summaries = output.locator("summary")
    expect(summaries.nth(1)).to_contain_text('weather(city="Paris", days=2) -> {"city":"Paris"')
    result = output.locator("pre", has_text="rain, 11 degrees")
    expect(result).to_be_hidden()
    summaries.nth(1).click()
    expect(result).to_be_visible()
    expect(output).to_contain_text("at 11 degrees")


def check_thoughts(shown: Locator, content: str) -> None:
    """Check that the first thoughts are closed until their title is clicked."""
    thoughts = shown.locator(content).first
    expect(thoughts).to_be_hidden()
    shown.locator("summary").first.click()
    expect(thoughts.locator("strong")).to_have_text("should")
