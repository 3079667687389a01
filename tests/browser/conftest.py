"""Fixtures that open JupyterLab in Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support import servers
from support.hub_server import HubServer, run_hub
from support.lab_page import (
    NO_NEWS,
    REPO,
    SHARDS,
    UPSTREAM_KEY,
    config_of,
    run_chromium,
    write_settings,
)
from support.model_files import smollm2
from support.paths import ROOT
from support.upstream_answers import KEY

IMAGES = ROOT / "docs" / "images"
RECOMMENDED = ROOT / "tests/support/recommended_models.toml"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed after each module.

    Playwright keeps an event loop running in this thread, which would break asynchronous tests in
    other modules.
    """
    with run_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def hub() -> Iterator[HubServer]:
    """A fake hub with one small model, and a sharded one that has invalid files."""
    with run_hub() as server:
        server.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
        server.add(SHARDS, {f"m-Q4_0-0000{n}-of-00002.gguf": bytes(5_000_000) for n in (1, 2)})
        yield server


@pytest.fixture
def hub_environ(hub: HubServer) -> dict[str, str]:
    """Environment of a server that pulls from `hub`, with the failures of earlier tests removed."""
    hub.clear_failures()
    return environ_of(hub)


def environ_of(hub: HubServer) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ""}


@pytest.fixture(scope="session")
def session_server(
    hub: HubServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """A server with JupyterLab and Notebook that pulls from `hub` and loads one model at a time.

    Tests use `lab_server`, which cleans it up after each test.
    """
    environ = environ_of(hub) | {"A3S_POWER_MAX_MODELS": "1", UPSTREAM_KEY: KEY}
    folder = tmp_path_factory.mktemp("lab")
    options = [
        f"--PowerApp.recommended_models={RECOMMENDED}",
        "--LabApp.expose_app_in_browser=True",  # for `lab_page.each_theme`
    ]
    with servers.run_server(folder, *options, environ=environ, lab=True) as server:
        yield server


@pytest.fixture
def lab_server(session_server: servers.Server, hub: HubServer) -> Iterator[servers.Server]:
    """`session_server` without kernels, notebooks, models, pulls, chats, settings or workspaces."""
    hub.clear_failures()
    yield session_server
    with session_server.api() as api:
        for session in api.get("api/sessions").json():
            api.delete(f"api/sessions/{session['id']}").raise_for_status()
    servers.remove_models(session_server)
    shutil.rmtree(config_of(session_server) / "lab", ignore_errors=True)
    data = Path(session_server.environ["JUPYTER_DATA_DIR"])
    shutil.rmtree(data / "a3s-power", ignore_errors=True)
    for path in root_of(session_server).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def root_of(server: servers.Server) -> Path:
    """Return the folder that the server's file browser shows."""
    return config_of(server).parent / "notebooks"


@pytest.fixture
def lab_root(lab_server: servers.Server) -> Path:
    """The folder that the file browser of `lab_server` shows."""
    return root_of(lab_server)


@dataclass(frozen=True)
class Lab:
    """A page that shows JupyterLab, and the server behind it."""

    page: Page
    server: servers.Server


@pytest.fixture
def open_lab(browser: Browser, lab_server: servers.Server) -> Iterator[Callable[..., Lab]]:
    """Open JupyterLab in a theme, on a copy of a notebook if one is given.

    ``settings`` are user settings by plugin.
    """
    pages: list[Page] = []

    def open_(
        theme: str,
        notebook: Path | None = None,
        settings: dict[str, dict[str, object]] | None = None,
    ) -> Lab:
        themes = {"@jupyterlab/apputils-extension/themes": {"theme": f"JupyterLab {theme}"}}
        for plugin, values in (NO_NEWS | themes | (settings or {})).items():
            write_settings(lab_server, plugin, values)
        if notebook is not None:
            shutil.copy(notebook, root_of(lab_server))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        pages.append(page)
        tree = "" if notebook is None else f"/tree/{notebook.name}"
        page.goto(f"{lab_server.url}lab{tree}?token={lab_server.token}")
        return Lab(page, lab_server)

    yield open_
    for page in pages:
        page.close()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Directory for screenshots: docs/images if ``UPDATE_SCREENSHOTS=1``, else a temporary one."""
    return IMAGES if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
