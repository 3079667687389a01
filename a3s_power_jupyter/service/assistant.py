"""Chats and presets of the assistant, off the event loop and with events of their changes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..assistant.chats import ChatFolder, Listed
from ..assistant.presets import PresetFile
from ..contract.errors import PowerError, StoreUnavailable
from ..contract.types import Chat, ChatSummary, Preset
from ..store.threads import Threads
from .changes import Change, Changes

#: Seconds between two looks for changes by another server of the user.
WATCH_INTERVAL = 3.0


class Assistant:
    """The chats and presets in a folder. Raises the errors of `ChatFolder` and `PresetFile`."""

    def __init__(self, folder: Path, changes: Changes) -> None:
        self._chats = ChatFolder(folder / "chats")
        self._presets = PresetFile(folder)
        self._changes = changes
        self._threads = Threads(f"the folder of the chats {folder}", StoreUnavailable)
        self._looked = -WATCH_INTERVAL

    def close(self) -> None:
        self._threads.close()

    async def chats(self, query: str) -> Listed:
        await self._look()
        return await self._threads.run(self._chats.search, query)

    async def chat(self, chat_id: str) -> Chat:
        return await self._threads.run(self._chats.get, chat_id)

    def summary(self, chat_id: str) -> ChatSummary | None:
        """Return a chat as it was when its last change was published."""
        return self._chats.summary(chat_id)

    async def create(self, chat_id: str | None, fields: dict[str, Any]) -> ChatSummary:
        summary = await self._threads.run(self._chats.create, chat_id, fields)
        self._changes.publish(Change("chat", summary.id))
        return summary

    async def change(
        self, chat_id: str, fields: dict[str, Any], revision: int | None = None
    ) -> ChatSummary:
        summary = await self._threads.run(self._chats.change, chat_id, fields, revision)
        self._changes.publish(Change("chat", chat_id))
        return summary

    async def delete(self, chat_id: str) -> None:
        await self._threads.run(self._chats.delete, chat_id)
        self._changes.publish(Change("chat", chat_id))

    async def presets(self) -> list[Preset]:
        return await self._threads.run(self._presets.all)

    async def put_preset(self, preset: Preset) -> Preset:
        stored = await self._threads.run(self._presets.put, preset)
        self._changes.publish(Change("presets", ""))
        return stored

    async def delete_preset(self, name: str) -> None:
        await self._threads.run(self._presets.delete, name)
        self._changes.publish(Change("presets", ""))

    async def watch(self) -> None:
        """Publish what other servers change, without end. May run several times at once."""
        while True:
            if time.monotonic() - self._looked >= WATCH_INTERVAL:
                with suppress(PowerError):  # which whoever lists the chats gets
                    await self._look()
            await asyncio.sleep(WATCH_INTERVAL)

    async def _look(self) -> None:
        self._looked = time.monotonic()
        for chat_id in await self._threads.run(self._chats.refresh):
            self._changes.publish(Change("chat", chat_id))
