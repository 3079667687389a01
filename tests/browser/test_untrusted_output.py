"""Display a hostile answer in JupyterLab, in the reopened notebook, and in nbconvert's HTML."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from support.lab_page import SECONDS, UPSTREAM_KEY, run_cell, wait_for_kernel, write_notebook
from support.servers import Server
from support.upstream_server import run_upstream

pytestmark = pytest.mark.browser

#: The host of the remote resources in the answer.
HOST = "leak.example"
MODEL = "hostile"
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
        self._page.wait_for_timeout(0.5 * SECONDS)  # for handlers and loads
        forbidden = "img, script, iframe, svg, object, embed, form, style, link, base, meta"
        expect(output.locator(forbidden)).to_have_count(0)
        links = output.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        assert links, "the image is a link"
        assert all(link.startswith(f"https://{HOST}/") for link in links)
        assert self._page.evaluate("window.attacked") is None
        assert not [url for url in self._requests if HOST in url]


@pytest.fixture
def hostile_model(lab_server: Server) -> Iterator[str]:
    """A remote model with an upstream that answers with every kind of attack."""
    with run_upstream() as upstream, lab_server.api() as api:
        reference = {"base_url": upstream.url, "model": "hostile", "api_key_env": UPSTREAM_KEY}
        reply = api.post(
            "v1/models", json={"name": MODEL, "format": "remote", "upstream": reference}
        )
        reply.raise_for_status()
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
    )
    lab = open_lab("Light", notebook)
    page, watch = lab.page, Watch(lab.page)
    wait_for_kernel(page)
    for number in range(3):
        run_cell(page, number)
    outputs = [page.locator(".jp-CodeCell").nth(n).locator(ANSWER) for n in (1, 2)]
    for output in outputs:
        watch.assert_harmless(output)
        expect(output.locator("mjx-container").first).to_be_visible()

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

    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(saved)]
    subprocess.run(command, check=True, env={**os.environ, **lab.server.environ})
    exported = browser.new_page()
    watch = Watch(exported)
    exported.route("https://**", lambda route: route.abort())  # MathJax is on another host
    exported.goto((lab_root / "hostile.html").as_uri())
    shown = exported.locator(f".jp-OutputArea {ANSWER}")
    expect(shown).to_have_count(2)
    for output in shown.all():
        watch.assert_harmless(output)
    exported.close()
