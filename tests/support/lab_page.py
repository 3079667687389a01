"""Steps and checks of the browser tests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from support.model_files import smollm2
from support.paths import ROOT
from support.servers import Server
from support.upstream_server import Upstream

SECONDS = 1000.0  # Playwright counts milliseconds
REPO = "tests/Chat-GGUF"
SHARDS = "tests/Shards-GGUF"
PULL = f"{REPO}:Q4_1"

#: Variable of the server's environment with the key of `support.upstream_answers`.
UPSTREAM_KEY = "UPSTREAM_API_KEY"

#: User settings by plugin that keep JupyterLab from asking whether to fetch news.
NO_NEWS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}
}

#: no-sandbox is needed to run as root, as in most containers; the rest avoids network traffic.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends; skip the tests where there is none, but not in CI."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "chromium is not on PATH; on Debian and Ubuntu: apt-get install chromium"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


_AXE = ROOT / "labextension/node_modules/axe-core/axe.min.js"


def config_of(server: Server) -> Path:
    return Path(server.environ["JUPYTER_CONFIG_DIR"])


def write_settings(server: Server, plugin: str, values: dict[str, Any]) -> None:
    """Write the user settings of a plugin, which pages read when they are loaded."""
    path = config_of(server) / f"lab/user-settings/{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def open_by_palette(page: Page) -> None:
    """Open the panel with the keyboard."""
    wait_until_open(page)
    run_command(page, "Local Models")


def open_assistant(page: Page) -> Locator:
    """Open the assistant in the sidebar with the keyboard."""
    wait_until_open(page)
    run_command(page, "Chat with a Local Model")
    panel = page.locator("#a3s-power-assistant")
    expect(panel.get_by_label("Message", exact=True)).to_be_focused(timeout=30 * SECONDS)
    return panel


def run_command(page: Page, name: str) -> None:
    """Run a command with the keyboard."""
    palette = page.locator(".lm-CommandPalette-input")
    for _ in range(3):  # on a busy machine, JupyterLab shows itself before it knows its shortcuts
        page.keyboard.press("Control+Shift+c")
        with suppress(AssertionError):
            expect(palette).to_be_focused(timeout=10 * SECONDS)
            break
    page.keyboard.type(name)
    expect(palette).to_have_value(name)
    page.keyboard.press("Enter")


def wait_until_open(page: Page) -> None:
    """Wait until JupyterLab shows a document or its launcher, and moves the focus no more."""
    shown = page.locator(".jp-LauncherCard, .jp-Notebook, .a3s-chat-panel")
    expect(shown.locator("visible=true").first).to_be_visible(timeout=60 * SECONDS)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60 * SECONDS)


def press_tab_to(page: Page, name: str) -> None:
    """Move the focus with the Tab key to the button with a name, which must be visible there."""
    for _ in range(100):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and name in (focused.get_attribute("aria-label"), focused.inner_text()):
            expect(focused).to_be_in_viewport()
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of code cells."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def register(api: Any, *names: str) -> None:
    """Register the small model under each of `names`."""
    for name in names:
        api.post("v1/models", json={"name": name, "path": str(smollm2())}).raise_for_status()


def register_remote(server: Server, upstream: Upstream, model: str) -> None:
    """Register a model of `support.upstream_answers` under its own name."""
    target = {"base_url": upstream.url, "model": model, "api_key_env": UPSTREAM_KEY}
    body = {"name": model, "format": "remote", "upstream": target}
    with server.api() as api:
        api.post("v1/models", json=body).raise_for_status()


def load(api: Any, name: str) -> None:
    api.post(f"v1/models/{name}/load", json={}).raise_for_status()


def limit_answers(api: Any, name: str) -> None:
    """Keep the answers of a model short. The small ones may go on until the context is full."""
    path = f"v1/models/{quote(name, safe='')}"
    api.patch(path, json={"default_parameters": {"max_tokens": 200}}).raise_for_status()


@contextmanager
def long_answer(server: Server, model: str) -> Iterator[None]:
    """Keep a model busy within the block with an answer that takes much longer."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell a long story about the sea."}],
        "max_tokens": 4000,
        "stream": True,
        "logit_bias": {"0": -100, "2": -100},  # the tokens that would end the answer
    }
    with server.api() as api, api.stream("POST", "v1/chat/completions", json=body) as reply:
        reply.raise_for_status()
        lines = reply.iter_lines()  # closes the connection when it is collected
        next(lines)
        yield


def each_theme(page: Page) -> Iterator[str]:
    """Show JupyterLab in the dark and then in the light theme, and yield "dark" and "light"."""
    for theme in ("Dark", "Light"):
        change = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
        page.evaluate(change, f"JupyterLab {theme}")
        body = page.locator("body")
        expect(body).to_have_attribute("data-jp-theme-name", f"JupyterLab {theme}")
        expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=30 * SECONDS)
        yield theme.lower()


def wait_for_kernel(page: Page) -> None:
    """Wait until the page has the kernel's info.

    JupyterLab does not use subshells for comms that were opened before.
    """
    toolbar = page.locator(".jp-NotebookPanel-toolbar")
    expect(toolbar).to_contain_text("Python 3", timeout=60 * SECONDS)
    indicator = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(indicator).to_have_attribute("data-status", "idle", timeout=60 * SECONDS)


def run_cell(page: Page, number: int) -> Locator:
    """Run a cell, and return its last output."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea-output").last


def row(table: Locator, name: str) -> Locator:
    """Return the row of a model, by its full name."""
    return table.get_by_role("row").filter(has=table.page.get_by_role("rowheader", name=name))


def pull_from(panel: Locator, reference: str) -> None:
    """Pull a model from a panel or a table, with the view to add models."""
    if panel.get_by_label("Model to pull").count() == 0:
        panel.get_by_role("button", name="Add model").click()
    panel.get_by_label("Model to pull").fill(reference)
    panel.get_by_label("Model to pull").press("Enter")


def close_find(panel: Locator) -> None:
    """Show the table again in place of the view to add models."""
    panel.get_by_role("button", name="Back to models").click()
    expect(panel.get_by_role("table")).to_be_visible()


def axe_violations(page: Page, selector: str) -> list[str]:
    """Return the serious and critical violations that axe-core finds."""
    page.evaluate(_AXE.read_text())
    result = page.evaluate("selector => axe.run(selector, {resultTypes: ['violations']})", selector)
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in result["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
