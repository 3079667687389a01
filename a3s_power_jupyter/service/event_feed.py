"""The events of ``GET /v1/events``: a snapshot, then what has changed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..contract.errors import ManifestUnreadable, PullStateNotFound, StoreUnavailable
from ..contract.types import Manifest, Memory, PullStatus
from ..hub.pull_manager import PullManager
from .assistant import Assistant
from .catalog import Catalog
from .changes import Change, Changes, Subscription
from .memory_usage import MemoryUsage, differs
from .store_watch import Listing

#: Seconds between two looks at the memory of the machine while there is a subscriber.
MEMORY_INTERVAL = 2.0
#: Seconds between two looks at the home, which other servers and programs may change.
HOME_INTERVAL = 5.0


class Told:
    """What a subscriber knows about the home: models and pulls by their names."""

    def __init__(self, manifests: Iterable[Manifest], pulls: Iterable[PullStatus]) -> None:
        self.manifests = {manifest.name: manifest for manifest in manifests}
        self.pulls = {pull.name: pull for pull in pulls}


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
            pulls = await self._known_pulls()
            told = Told(listing.manifests, pulls)
            yield {
                "type": "snapshot",
                "instance": self._instance,
                "models": [self._catalog.describe(manifest) for manifest in listing.manifests],
                "pulls": pulls,
                "memory": memory,
            }
            # Not `gather`: asyncio logs an error if one is cancelled that nobody awaits.
            watchers = [
                asyncio.create_task(self._watch_home(told, changes)),
                asyncio.create_task(self._watch_memory(memory, changes)),
                asyncio.create_task(self._assistant.watch()),
            ]
            try:
                async for changed in changes:
                    async for event in self._events(changed, told):
                        yield event
            finally:
                for watcher in watchers:
                    watcher.cancel()

    async def _watch_home(self, told: Told, changes: Subscription) -> None:
        """Add what differs from what was told, and check the upstreams of remote models if due."""
        while True:
            await asyncio.sleep(HOME_INTERVAL)
            listing = await self._catalog.listing()
            if listing.error is None:
                now = Told(listing.manifests, ())
                for name in _differing(told.manifests, now.manifests):
                    changes.add(Change("model", name))
            now = Told((), await self._known_pulls())
            for name in _differing(told.pulls, now.pulls):
                changes.add(Change("pull", name))

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

    async def _events(
        self, changed: list[Change], told: Told
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of changes, and keep in `told` what they tell.

        The store is read once for all of them.

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
                with suppress(StoreUnavailable, ManifestUnreadable):
                    yield await self._pull_event(change.name, told)
            elif (manifest := manifests.get(change.name)) is not None:
                told.manifests[manifest.name] = manifest
                yield {"type": "model", "model": self._catalog.describe(manifest)}
            elif listing.error is None:
                told.manifests.pop(change.name, None)
                yield {"type": "model_deleted", "id": change.name}

    def _chat_event(self, chat_id: str) -> dict[str, Any]:
        chat = self._assistant.summary(chat_id)
        return (
            {"type": "chat_deleted", "id": chat_id}
            if chat is None
            else {"type": "chat", "chat": chat}
        )

    async def _pull_event(self, name: str, told: Told) -> dict[str, Any]:
        try:
            told.pulls[name] = await self._pulls.status_of(name)
        except PullStateNotFound:
            told.pulls.pop(name, None)
            return {"type": "pull_deleted", "name": name}
        return {"type": "pull", "pull": told.pulls[name]}


def _differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """Return the keys whose values differ, sorted."""
    return sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
