"""Fixtures that open JupyterLab in Chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from support import servers
from support.hub_server import HubServer, run_hub
from support.lab_page import ARGUMENTS, REPO, SHARDS
from support.model_files import smollm2
from support.paths import ROOT

IMAGES = ROOT / "docs" / "images"

#: User settings by plugin: keep JupyterLab from asking whether it may fetch news.
NO_NEWS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed after each module.

    Playwright keeps an event loop running in this thread, in which asynchronous tests cannot run.
    """
    executable = shutil.which("chromium")
    if executable is None:
        reason = "chromium is not on PATH; on Debian and Ubuntu: apt-get install chromium"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass(frozen=True)
class Lab:
    """A page that shows JupyterLab, and the server behind it."""

    page: Page
    server: servers.Server


@pytest.fixture
def open_lab(
    browser: Browser, start_server: Callable[..., servers.Server], tmp_path: Path
) -> Iterator[Callable[..., Lab]]:
    """Open JupyterLab in a theme, on a copy of a notebook if one is given.

    ``environ`` is added to the server's environment; ``settings`` are user settings by plugin.
    """
    pages: list[Page] = []

    def open_(
        theme: str,
        notebook: Path | None = None,
        environ: dict[str, str] | None = None,
        settings: dict[str, dict[str, object]] | None = None,
    ) -> Lab:
        config = tmp_path / "config"
        themes = {"@jupyterlab/apputils-extension/themes": {"theme": f"JupyterLab {theme}"}}
        for plugin, values in (NO_NEWS | themes | (settings or {})).items():
            path = config / "lab/user-settings" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        root = tmp_path / "notebooks"
        root.mkdir()
        if notebook is not None:
            shutil.copy(notebook, root)
        server = start_server(
            f"--ServerApp.root_dir={root}",
            environ={"JUPYTER_CONFIG_DIR": str(config), **(environ or {})},
            lab=True,
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        pages.append(page)
        tree = "" if notebook is None else f"/tree/{notebook.name}"
        page.goto(f"{server.url}lab{tree}?token={server.token}")
        return Lab(page, server)

    yield open_
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    """A fake hub with one small model, and a sharded one that has invalid files."""
    with run_hub() as server:
        server.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
        server.add(SHARDS, {f"m-Q4_0-0000{n}-of-00002.gguf": bytes(5_000_000) for n in (1, 2)})
        yield server


@pytest.fixture
def hub_environ(hub: HubServer) -> dict[str, str]:
    """Environment of a server that pulls from `hub`, with the faults of earlier tests removed."""
    hub.behave()
    return {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ""}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Directory of screenshots: that of the documentation if ``UPDATE_SCREENSHOTS=1`` is set."""
    return IMAGES if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
