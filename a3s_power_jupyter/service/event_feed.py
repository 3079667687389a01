"""The events of ``GET /v1/events``: a snapshot, then every change of a model or a pull."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

from ..contract.errors import PullStateNotFound
from ..contract.types import Manifest
from ..hub.pull_manager import PullManager
from ..remote.health import FRESH
from .catalog import Catalog
from .changes import Change, Changes


class EventFeed:
    """Turns the names of what changed into events with the current state."""

    def __init__(self, catalog: Catalog, pulls: PullManager, changes: Changes) -> None:
        self._catalog = catalog
        self._pulls = pulls
        self._changes = changes
        # Lets a client notice that it is connected to another server, or to a restarted one.
        self._instance = secrets.token_hex(8)

    async def stream(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield a snapshot of all models and pulls, then an event for each change, without end."""
        with self._changes.subscribe() as changes:
            models, pulls = await self._catalog.models(), await self._pulls.all()
            yield {
                "type": "snapshot",
                "instance": self._instance,
                "models": models,
                "pulls": pulls,
            }
            watching = asyncio.ensure_future(self._watch_upstreams())
            try:
                async for changed in changes:
                    manifests = await self._manifests(changed)
                    for change in changed:
                        yield await self._event(change, manifests)
            finally:
                watching.cancel()

    async def _watch_upstreams(self) -> None:
        """Check the upstreams of remote models while there is a subscriber."""
        while True:
            await asyncio.sleep(FRESH)
            await self._catalog.manifests()

    async def _manifests(self, changed: list[Change]) -> dict[str, Manifest]:
        """Return the changed models that exist. The store is read once for all changes."""
        names = {change.name for change in changed if change.kind == "model"}
        manifests = await self._catalog.manifests() if names else []
        return {manifest.name: manifest for manifest in manifests if manifest.name in names}

    async def _event(self, change: Change, manifests: dict[str, Manifest]) -> dict[str, Any]:
        if change.kind == "model":
            manifest = manifests.get(change.name)
            if manifest is None:
                return {"type": "model_deleted", "id": change.name}
            return {"type": "model", "model": self._catalog.describe(manifest)}
        try:
            return {"type": "pull", "pull": await self._pulls.status_of(change.name)}
        except PullStateNotFound:
            return {"type": "pull_deleted", "name": change.name}
