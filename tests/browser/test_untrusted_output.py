"""Display a hostile answer in JupyterLab, in the reopened notebook, and in nbconvert's HTML."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from support.lab_page import (
    SECONDS,
    axe_violations,
    register_remote,
    run_cell,
    wait_for_kernel,
    write_notebook,
)
from support.paths import SUPPORT
from support.servers import Server
from support.upstream_server import run_upstream

pytestmark = pytest.mark.browser

#: The host of the remote resources in the answer.
HOST = "leak.example"
#: Displays all attacks as an answer does.
ATTACKS = f"""\
import json, pathlib
from IPython.display import HTML, display
from a3s_power_jupyter.display.markup import from_markdown
attacks = json.loads(pathlib.Path({str(SUPPORT / "hostile_markdown.json")!r}).read_text())
display(HTML("".join(map(from_markdown, [*attacks, "$the$ **end**"]))))
"""
MODEL = "hostile"
#: A model that also attacks with its thoughts, and with calls of functions.
AGENT = "hostile_agent"
#: The answer in an output, without the output's buttons.
ANSWER = ".jp-RenderedHTML"


class Watch:
    """What the answer did in a page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._requests: list[str] = []
        page.on("request", self._note)
        page.on("dialog", lambda dialog: pytest.fail(f"dialog: {dialog.message}"))

    def _note(self, request: Request) -> None:
        self._requests.append(request.url)

    def assert_harmless(self, output: Locator) -> None:
        """Check that the answer is shown, with nothing in it that runs or loads."""
        expect(output).to_contain_text("the end", timeout=60 * SECONDS)
        expect(output).to_contain_text("<script>window.attacked = 'script'</script>")
        expect(output.locator("strong", has_text="bold")).to_be_visible()
        expect(output.locator("table td", has_text="cell").first).to_be_visible()
        expect(output.locator("pre code")).to_have_text("<img src=x> &amp;\n")
        self.assert_nothing_ran(output)
        links = output.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        assert links, "the image is a link"
        assert all(link.startswith(f"https://{HOST}/") for link in links)

    def assert_nothing_ran(self, output: Locator) -> None:
        """Check that an output has no element and has started no request that could do harm."""
        self._page.wait_for_timeout(0.5 * SECONDS)  # for handlers and loads
        forbidden = "img, script, iframe, svg, object, embed, form, style, link, base, meta"
        ours = ".a3s-icon *"  # the icons of the buttons
        expect(output.locator(f":is({forbidden}):not({ours})")).to_have_count(0)
        expect(
            output.locator("a[href^='javascript'], a[href^='data'], a[href^='/']")
        ).to_have_count(0)
        assert self._page.evaluate("window.attacked") is None
        hosts = {urlsplit(url).hostname or "" for url in self._requests}
        assert not [host for host in hosts if host.endswith(".example")]


@pytest.fixture
def hostile_model(lab_server: Server) -> Iterator[str]:
    """A remote model with an upstream that answers with every kind of attack."""
    with run_upstream() as upstream:
        register_remote(lab_server, upstream, MODEL)
        register_remote(lab_server, upstream, AGENT)
        yield MODEL


def test_a_hostile_answer_runs_nothing(
    open_lab: Callable[..., Any],
    browser: Browser,
    hostile_model: str,
    lab_root: Path,
    tmp_path: Path,
) -> None:
    notebook = write_notebook(
        tmp_path / "hostile.ipynb",
        "%load_ext a3s_power_jupyter",
        f"%%power {hostile_model}\nHello",
        "answer",
        ATTACKS,
    )
    lab = open_lab("Light", notebook)
    page, watch = lab.page, Watch(lab.page)
    wait_for_kernel(page)
    for number in range(4):
        run_cell(page, number)
    cells = page.locator(".jp-CodeCell")
    outputs = [cells.nth(n).locator(ANSWER) for n in (1, 2)]
    for output in outputs:
        watch.assert_harmless(output)
        expect(output.locator("mjx-container")).to_have_count(1)
    attacks = cells.nth(3).locator(ANSWER)
    expect(attacks.locator("mjx-container")).not_to_have_count(0, timeout=60 * SECONDS)
    expect(attacks.locator("mjx-container [href], mjx-container [style*=url]")).to_have_count(0)
    watch.assert_nothing_ran(attacks)

    page.keyboard.press("Control+s")
    saved = lab_root / "hostile.ipynb"
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.wait_for_timeout(1 * SECONDS)
    assert "the end" in saved.read_text()
    assert "text/markdown" not in saved.read_text()
    page.reload()
    wait_for_kernel(page)
    for output in outputs:
        watch.assert_harmless(output)
    watch.assert_nothing_ran(attacks)

    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(saved)]
    subprocess.run(command, check=True, env={**os.environ, **lab.server.environ})
    exported = browser.new_page()
    watch = Watch(exported)
    exported.route("https://**", lambda route: route.abort())  # MathJax is on another host
    exported.goto((lab_root / "hostile.html").as_uri())
    shown = exported.locator(f".jp-OutputArea {ANSWER}")
    expect(shown).to_have_count(3)
    for output in shown.all()[:2]:
        watch.assert_harmless(output)
    watch.assert_nothing_ran(shown.last)
    exported.close()


def test_hostile_thoughts_and_calls_run_nothing(
    open_lab: Callable[..., Any], hostile_model: str, lab_root: Path, tmp_path: Path
) -> None:
    notebook = write_notebook(
        tmp_path / "agent.ipynb",
        "%load_ext a3s_power_jupyter\ndef leak(**values: str): return [*values.items()]",
        f"%%power {AGENT} --tools leak\nHello",
        "answer",
        f"import a3s_power_jupyter\na3s_power_jupyter.connect().chat_widget({AGENT!r})",
    )
    page = open_lab("Light", notebook).page
    watch = Watch(page)
    wait_for_kernel(page)
    for number in range(4):
        run_cell(page, number)
    outputs = [page.locator(".jp-CodeCell").nth(n).locator(ANSWER) for n in (1, 2)]
    chat = page.locator(".a3s-chat")
    chat.get_by_label("Message").fill("Hello")
    chat.get_by_role("button", name="Send").click()
    expect(chat.get_by_role("log")).to_contain_text("the end", timeout=60 * SECONDS)

    def check() -> None:
        for output in outputs:
            expect(output.locator("details")).to_have_count(5, timeout=60 * SECONDS)
            expect(output.locator("details[open]")).to_have_count(0)
            expect(output.locator("summary").nth(1)).to_contain_text("leak(")
        for output in (*outputs, chat.get_by_role("log")):
            for summary in output.locator("summary").all():
                summary.click()
            expect(output.locator("details blockquote, .a3s-thoughts").first).to_contain_text(
                "<script>window.attacked = 'script'</script>"
            )
            watch.assert_nothing_ran(output)

    check()
    link = chat.get_by_role("link", name="seen").last
    link.focus()
    page.keyboard.press("Enter")
    target = page.get_by_role("dialog", name="Link")
    expect(target).to_contain_text(f"https://{HOST}/image.png?secret")
    expect(target.get_by_role("link", name="Open")).to_be_focused()
    assert not axe_violations(page, ".a3s-target")
    page.keyboard.press("Escape")
    expect(target).to_have_count(0)
    expect(link).to_be_focused()
    link.click()
    expect(target.locator("strong")).to_have_text(HOST)
    page.locator(".jp-InputPrompt").first.click()
    expect(target).to_have_count(0)
    assert len(page.context.pages) == 1, "no link was opened"

    page.locator(".jp-InputPrompt").first.click()  # the chat has no shortcuts of JupyterLab
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.reload()
    wait_for_kernel(page)
    expect(chat.get_by_role("log")).to_contain_text("the end", timeout=60 * SECONDS)
    check()
