"""Display a hostile answer in JupyterLab, in the reopened notebook, and in nbconvert's HTML."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
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
#: A model that attacks with its answers, its thoughts, and its calls of functions.
MODEL = "hostile_agent"
#: Displays all attacks as an answer does, and then a chat.
ATTACKS_AND_CHAT = f"""\
import json, pathlib
import a3s_power_jupyter
from IPython.display import HTML, display
from a3s_power_jupyter.display.markup import from_markdown
attacks = json.loads(pathlib.Path({str(SUPPORT / "hostile_markdown.json")!r}).read_text())
display(HTML("".join(map(from_markdown, [*attacks, "$the$ **end**"]))))
a3s_power_jupyter.connect().chat_widget({MODEL!r})
"""
#: The HTML of an output, without the output's buttons.
ANSWER = ".jp-RenderedHTML"


class Watch:
    """What the answers did in a page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._requests: list[str] = []
        page.on("request", self._note)
        page.on("dialog", lambda dialog: pytest.fail(f"dialog: {dialog.message}"))

    def _note(self, request: Request) -> None:
        self._requests.append(request.url)

    def assert_nothing_ran(self, outputs: Sequence[Locator]) -> None:
        """Check that no output has an element or has started a request that could do harm."""
        self._page.wait_for_timeout(0.5 * SECONDS)  # for handlers and loads
        forbidden = "img, script, iframe, svg, object, embed, form, style, link, base, meta"
        ours = ".a3s-icon *"  # the icons of the buttons
        unsafe = "a[href^='javascript'], a[href^='data'], a[href^='/']"
        for output in outputs:
            expect(output.locator(f":is({forbidden}):not({ours}), {unsafe}")).to_have_count(0)
        assert self._page.evaluate("window.attacked") is None
        hosts = {urlsplit(url).hostname or "" for url in self._requests}
        assert not [host for host in hosts if host.endswith(".example")]


def assert_shown(output: Locator) -> None:
    """Check that an answer, its thoughts and its calls are shown, and that its links are safe."""
    expect(output).to_contain_text("the end", timeout=60 * SECONDS)
    expect(output.locator("details")).to_have_count(5, timeout=60 * SECONDS)
    expect(output.locator("details[open]")).to_have_count(0)
    expect(output.locator("summary").nth(1)).to_contain_text("leak(")
    output.locator("details").evaluate_all("all => all.forEach(it => { it.open = true; })")
    for shown in (output, output.locator("details blockquote").first):
        expect(shown).to_contain_text("<script>window.attacked = 'script'</script>")
    expect(output.locator("strong", has_text="bold").last).to_be_visible()
    expect(output.locator("table td", has_text="cell").last).to_be_visible()
    links = output.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
    assert all(link.startswith(f"https://{HOST}/") for link in links)


@pytest.fixture
def hostile_model(lab_server: Server) -> Iterator[None]:
    """A remote model with an upstream that answers with every kind of attack."""
    with run_upstream() as upstream:
        register_remote(lab_server, upstream, MODEL)
        yield


@pytest.mark.usefixtures("hostile_model")
def test_hostile_answers_run_nothing(
    open_lab: Callable[..., Any], browser: Browser, lab_root: Path, tmp_path: Path
) -> None:
    notebook = write_notebook(
        tmp_path / "hostile.ipynb",
        "%load_ext a3s_power_jupyter\ndef leak(**values: str): return [*values.items()]",
        f"%%power {MODEL} --tools leak\nHello",
        "answer",
        ATTACKS_AND_CHAT,
    )
    lab = open_lab("Light", notebook)
    page, watch = lab.page, Watch(lab.page)
    wait_for_kernel(page)
    for number in range(4):
        run_cell(page, number)
    cells = page.locator(".jp-CodeCell")
    answers = [cells.nth(n).locator(ANSWER) for n in (1, 2)]
    attacks = cells.nth(3).locator(ANSWER).first
    log = page.locator(".a3s-chat").get_by_role("log")
    page.get_by_label("Message").fill("Hello")
    page.get_by_role("button", name="Send").click()

    def check() -> None:
        expect(log).to_contain_text("the end", timeout=60 * SECONDS)
        for answer in answers:
            assert_shown(answer)
            assert answer.locator("a[href]").count(), "the image is a link"
            expect(answer.locator("pre code").last).to_have_text("<img src=x> &amp;\n")
            renderings = answer.locator("strong", has_text="bold").count()
            expect(answer.locator("mjx-container")).to_have_count(renderings)
        for summary in log.locator("summary").all():
            summary.click()
        expect(log.locator(".a3s-thoughts").first).to_contain_text("<script>")
        expect(attacks.locator("mjx-container")).not_to_have_count(0, timeout=60 * SECONDS)
        expect(attacks.locator("mjx-container :is([href], [style*=url])")).to_have_count(0)
        watch.assert_nothing_ran([*answers, attacks, log])

    check()
    assert_links_open_on_a_second_click(page, log)
    page.locator(".jp-InputPrompt").first.click()  # the chat has no shortcuts of JupyterLab
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    saved = lab_root / "hostile.ipynb"
    page.wait_for_timeout(1 * SECONDS)
    assert "the end" in saved.read_text()
    assert "text/markdown" not in saved.read_text()
    page.reload()
    wait_for_kernel(page)
    check()
    check_export(browser, saved, lab.server)


def assert_links_open_on_a_second_click(page: Page, log: Locator) -> None:
    """Check that a click on a link of a chat shows its target, also with the keyboard."""
    link = log.get_by_role("link", name="seen").last
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


def check_export(browser: Browser, notebook: Path, server: Server) -> None:
    """Export a notebook as HTML, and check what it shows."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(notebook)]
    subprocess.run(command, check=True, env={**os.environ, **server.environ})
    page = browser.new_page()
    watch = Watch(page)
    page.route("https://**", lambda route: route.abort())  # MathJax is on another host
    page.goto(notebook.with_suffix(".html").as_uri())
    shown = page.locator(f".jp-OutputArea {ANSWER}").all()
    for answer in shown[:2]:
        assert_shown(answer)
    expect(shown[3]).to_contain_text(re.compile(r"Chat with.*the end", re.DOTALL))
    assert len(shown) == 4
    watch.assert_nothing_ran(shown)
    page.close()
