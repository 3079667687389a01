"""A home directory in which pulls run `pull_child`, with records of their callbacks."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from a3s_power_jupyter.contract.types import PullRequest, PullStatus
from a3s_power_jupyter.hub.pull import PullCallbacks
from a3s_power_jupyter.hub.pull_manager import PullManager
from a3s_power_jupyter.hub.states import PullStates
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.threads import StoreThreads
from support import model_files
from support.paths import SUPPORT

CHILD = (sys.executable, str(SUPPORT / "pull_child.py"))
LOG = logging.getLogger("pulls")

#: Returns the child processes that a test started.
Children = Callable[[], list[psutil.Process]]


class PullHome:
    """A home directory, and records of the callbacks of its pulls.

    Attributes
    ----------
    registered : list
        Name and ``replaced`` of each registered model.
    changes : list of str
        Names of the pulls that changed.
    bytes : int
        Received bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = ModelStore(path)
        self.registered: list[Any] = []
        self.changes: list[str] = []
        self.bytes = 0
        self.managers: list[PullManager] = []
        path.mkdir()
        (path / "tiny.gguf").write_bytes(model_files.gguf())

    def pulls(self, limit: int = 2) -> PullManager:
        pulls = PullManager(
            self.path,
            self.store,
            StoreThreads(self.path).home,
            limit,
            lambda: 123,
            PullCallbacks(self._on_registered, self.changes.append, self._on_received),
            LOG,
            CHILD,
        )
        self.managers.append(pulls)
        return pulls

    async def _on_registered(self, name: str, replaced: bool) -> None:
        assert self.store.get(name).name == name
        self.registered.append((name, replaced))

    def _on_received(self, count: int) -> None:
        self.bytes += count

    def requests(self) -> list[dict[str, Any]]:
        lines = (self.path / "requests.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def revisions(self) -> list[str]:
        return [request["reference"]["revision"] for request in self.requests()]

    def stored_status(self, name: str) -> PullStatus | None:
        """Return the status on disk, which other servers read."""
        state = PullStates(self.path, LOG).read(name)
        return state and state.status


async def events(pulls: PullManager, name: str, **fields: Any) -> list[dict[str, Any]]:
    return [event async for event in pulls.pull(PullRequest(name, **fields))]


def statuses(received: list[dict[str, Any]]) -> list[str]:
    return [event["status"] for event in received]


def wire(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the status of its pull."""
    return {name: value for name, value in event.items() if name != "pull"}


async def in_phase(pulls: PullManager, phase: str, name: str) -> PullStatus:
    """Wait until a pull is in a phase."""
    deadline = time.monotonic() + 20
    status = await pulls.status(name)
    while status.phase != phase:
        assert (status.status, time.monotonic() < deadline) == ("pulling", True)
        await asyncio.sleep(0.01)
        status = await pulls.status(name)
    return status


async def progressed(pulls: PullManager, name: str, times: int) -> PullStatus:
    """Wait until more of a pull has been received, several times."""
    deadline = time.monotonic() + 20
    status = await pulls.status(name)
    for _ in range(times):
        before = status.completed
        while status.completed == before:
            assert (status.status, time.monotonic() < deadline) == ("pulling", True)
            await asyncio.sleep(0.01)
            status = await pulls.status(name)
    return status


async def downloading(pulls: PullManager, name: str, **fields: Any) -> PullStatus:
    """Start the pull of a slow model in the background and wait for its first bytes."""
    await pulls.pull_in_background(PullRequest(name, **fields))
    return await in_phase(pulls, "downloading", name)
