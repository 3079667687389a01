"""Fixtures of the tests of pulls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.hub.pull_manager import PullManager
from a3s_power_jupyter.ipc import watcher
from support.hub_fetching import Fetching
from support.hub_server import HubServer
from support.pull_home import Children, PullHome


@pytest.fixture
def hf_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fetching(hub: HubServer, tmp_path: Path, hf_cache: Path) -> Fetching:
    return Fetching(hub, tmp_path / "home")


@pytest.fixture
def children() -> Iterator[Children]:
    """Returns the processes that this test started; none may remain. Without their watcher."""
    earlier = set(psutil.Process().children())

    def started() -> list[psutil.Process]:
        new = [child for child in psutil.Process().children() if child not in earlier]
        return [child for child in new if watcher.__file__ not in child.cmdline()]

    yield started
    assert not started()


@pytest.fixture
async def pull_home(tmp_path: Path, children: Children) -> AsyncIterator[PullHome]:
    home = PullHome(tmp_path / "home")
    yield home
    for pulls in home.managers:
        await pulls.stop()
        assert pulls.active == 0


@pytest.fixture
def pulls(pull_home: PullHome) -> PullManager:
    return pull_home.pulls()
