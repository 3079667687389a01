"""A real browser on a real JupyterLab."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"

#: Root, as in most containers, needs no-sandbox; the rest keeps it from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: User settings of JupyterLab by plugin; without the question whether it may fetch news.
QUIET = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its module: Playwright keeps an event loop running in this thread, beside which
    no asynchronous test can run."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "There is no chromium on PATH; on Debian and Ubuntu: apt-get install chromium"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def open_notebook(
    browser: Browser, start_server: Callable[..., servers.Server], tmp_path: Path
) -> Iterator[Callable[..., tuple[Page, servers.Server]]]:
    """Opens a notebook, copied, in a JupyterLab of its own, in a theme."""
    pages: list[Page] = []

    def opened(
        notebook: Path, theme: str, environ: dict[str, str] | None = None
    ) -> tuple[Page, servers.Server]:
        config = tmp_path / "config"
        settings = QUIET | {"apputils-extension/themes": {"theme": theme}}
        for plugin, values in settings.items():
            path = config / "lab/user-settings/@jupyterlab" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        root = tmp_path / "notebooks"
        root.mkdir()
        shutil.copy(notebook, root)
        server = start_server(
            f"--ServerApp.root_dir={root}",
            environ={"JUPYTER_CONFIG_DIR": str(config), **(environ or {})},
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        pages.append(page)
        page.goto(f"{server.url}lab/tree/{notebook.name}?token={server.token}")
        return page, server

    yield opened
    for page in pages:
        page.close()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Where screenshots go: with ``UPDATE_SCREENSHOTS=1`` to the documentation's."""
    return IMAGES if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
