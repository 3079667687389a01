"""A real JupyterHub with its proxy and the servers of two users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from a3s_power_jupyter.store import ModelStore
from support import servers
from support.hub_server import HubServer, run_hub
from support.jupyterhub import Hub, run_jupyterhub
from support.lab_page import run_chromium
from support.registering import register


@pytest.fixture(scope="session")
def huggingface() -> Iterator[HubServer]:
    """A stand-in for the hub of Hugging Face, from which servers pull."""
    with run_hub() as server:
        yield server


@pytest.fixture
def hub(jupyterhub: Hub) -> Hub:
    """The hub with running servers of ada and bob, which the culler may have stopped."""
    jupyterhub.have_running("ada", "bob")
    return jupyterhub


@pytest.fixture(scope="session")
def jupyterhub(
    tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path, huggingface: HubServer
) -> Iterator[Hub]:
    """A hub with the users ada and bob, and the shared model smollm2."""
    folder = tmp_path_factory.mktemp("hub")
    shared = ModelStore(folder / "shared")
    register(shared, "smollm2", smollm2_path, copy=True, default_parameters={"num_ctx": 4096})
    with run_jupyterhub(folder, {"HF_ENDPOINT": huggingface.url}) as running:
        for user in ("ada", "bob"):
            servers.link_lab_extension(running.home(user) / "data")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed after each module."""
    with run_chromium() as chromium:
        yield chromium


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show the end of the hub's log when a test fails."""
    report = yield
    running = getattr(item, "funcargs", {}).get("hub")
    if report.failed and isinstance(running, Hub):
        text = (running.folder / "hub.log").read_text(errors="replace")
        report.sections.append(("hub.log", text[-6000:]))
    return report
