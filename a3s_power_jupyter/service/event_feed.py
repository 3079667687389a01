"""The events of ``GET /v1/events``: a snapshot, then what has changed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from ..contract.errors import PullStateNotFound, StoreUnavailable
from ..contract.types import Memory, PullStatus
from ..hub.pull_manager import PullManager
from ..remote.health import FRESH
from .assistant import Assistant
from .catalog import Catalog
from .changes import Change, Changes, Subscription
from .memory_usage import MemoryUsage, differs
from .store_watch import Listing

#: Seconds between two looks at the memory of the machine while there is a subscriber.
MEMORY_INTERVAL = 2.0


class EventFeed:
    """Turns the names of what changed into events with the current state."""

    def __init__(
        self,
        catalog: Catalog,
        pulls: PullManager,
        assistant: Assistant,
        memory: MemoryUsage,
        changes: Changes,
    ) -> None:
        self._catalog = catalog
        self._assistant = assistant
        self._memory = memory
        self._pulls = pulls
        self._changes = changes
        # Lets a client notice that it is connected to another server, or to a restarted one.
        self._instance = secrets.token_hex(8)

    async def stream(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield a snapshot of everything, then an event for each change, without end."""
        with self._changes.subscribe() as changes:
            listing = await self._catalog.listing()
            memory = self._memory.now()
            yield {
                "type": "snapshot",
                "instance": self._instance,
                "models": [self._catalog.describe(manifest) for manifest in listing.manifests],
                "pulls": await self._known_pulls(),
                "memory": memory,
            }
            # Not `gather`: asyncio logs an error if one is cancelled that nobody awaits.
            watchers = [
                asyncio.create_task(self._watch_upstreams()),
                asyncio.create_task(self._watch_memory(memory, changes)),
                asyncio.create_task(self._assistant.watch()),
            ]
            try:
                async for changed in changes:
                    async for event in self._events(changed):
                        yield event
            finally:
                for watcher in watchers:
                    watcher.cancel()

    async def _watch_upstreams(self) -> None:
        """Check the upstreams of remote models while there is a subscriber."""
        while True:
            await asyncio.sleep(FRESH)
            await self._catalog.listing()

    async def _watch_memory(self, sent: Memory, changes: Subscription) -> None:
        """Add a change to `changes` whenever the memory differs from what was sent last."""
        await self._memory.find_gpus()
        while True:
            if differs(now := self._memory.now(), sent):
                sent = now
                changes.add(Change("memory", ""))
            await asyncio.sleep(MEMORY_INTERVAL)

    async def _known_pulls(self) -> list[PullStatus]:
        try:
            return await self._pulls.all()
        except StoreUnavailable:
            return []

    async def _events(self, changed: list[Change]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of changes. The store is read once for all of them.

        Nothing is known about a model that is not in memory while the store cannot be read.
        """
        listing = Listing([], [], None)
        if any(change.kind == "model" for change in changed):
            listing = await self._catalog.listing()
        manifests = {manifest.name: manifest for manifest in listing.manifests}
        for change in changed:
            if change.kind == "memory":
                yield {"type": "memory", "memory": self._memory.now()}
            elif change.kind == "presets":
                yield {"type": "presets"}
            elif change.kind == "chat":
                yield self._chat_event(change.name)
            elif change.kind == "pull":
                with suppress(StoreUnavailable):
                    yield await self._pull_event(change.name)
            elif (manifest := manifests.get(change.name)) is not None:
                yield {"type": "model", "model": self._catalog.describe(manifest)}
            elif listing.error is None:
                yield {"type": "model_deleted", "id": change.name}

    def _chat_event(self, chat_id: str) -> dict[str, Any]:
        chat = self._assistant.summary(chat_id)
        return (
            {"type": "chat_deleted", "id": chat_id}
            if chat is None
            else {"type": "chat", "chat": chat}
        )

    async def _pull_event(self, name: str) -> dict[str, Any]:
        try:
            return {"type": "pull", "pull": await self._pulls.status_of(name)}
        except PullStateNotFound:
            return {"type": "pull_deleted", "name": name}
