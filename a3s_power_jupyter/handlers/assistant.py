"""Handlers of ``/v1/assistant``: the chats and presets of the user."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..assistant.exports import markdown_of, notebook_of
from ..contract.errors import InvalidParameter
from ..contract.parameters import SparseStruct, check
from ..contract.types import Chat, Preset
from .auth import allowed
from .base import PowerHandler
from .fields import wrong_value

#: Characters of the longest search and title.
MAX_WORDS = 200
MAX_TITLE = 200

Title = Annotated[str, Meta(max_length=MAX_TITLE)]
ModelName = Annotated[str, Meta(max_length=255)]
Revision = Annotated[int, Meta(ge=1)]


class NewChat(SparseStruct, frozen=True, forbid_unknown_fields=True):
    id: str | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    model: ModelName | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    messages: list[dict[str, Any]] | UnsetType = UNSET
    answer: dict[str, Any] | UnsetType = UNSET


class ChatContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: Revision
    model: ModelName
    parameters: dict[str, Any]
    messages: list[dict[str, Any]]
    answer: dict[str, Any] | None = None


class ChatChange(SparseStruct, frozen=True, forbid_unknown_fields=True):
    title: Title | UnsetType = UNSET
    answer: dict[str, Any] | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET


class PresetContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    parameters: dict[str, Any]


class ChatsHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List or search the chats, and say why some may be missing."""
        query = self.get_query_argument("query", "")
        if len(query) > MAX_WORDS:
            raise InvalidParameter(
                f"query must have at most {MAX_WORDS} characters.", param="query"
            )
        listed = await self.until_disconnect(self.service.assistant.chats(query))
        reply: dict[str, Any] = {"object": "list", "data": listed.chats}
        await self.finish_pieces(reply | ({"problems": listed.problems} if listed.problems else {}))

    @allowed("write")
    async def post(self) -> None:
        """Create a chat."""
        fields = await self.decode(lambda: _given(check(self.json_body(), NewChat)))
        chat_id = fields.pop("id", None)
        self.finish_json(await self.service.assistant.create(chat_id, fields), status=201)


class ChatHandler(PowerHandler):
    @allowed("read")
    async def get(self, chat_id: str) -> None:
        """Show a chat."""
        await self.finish_pieces(await self.service.assistant.chat(chat_id))

    @allowed("write")
    async def put(self, chat_id: str) -> None:
        """Replace the content of a chat."""
        fields = await self.decode(lambda: _given(check(self.json_body(), ChatContent)))
        revision = fields.pop("revision")
        self.finish_json(await self.service.assistant.change(chat_id, fields, revision))

    @allowed("write")
    async def patch(self, chat_id: str) -> None:
        """Change the title, or the answer on a revision."""
        fields = await self.decode(lambda: _given(check(self.json_body(), ChatChange)))
        revision = fields.pop("revision", None)
        if "answer" in fields and revision is None:
            raise InvalidParameter(
                "revision is missing: the revision of the chat that the answer belongs to.",
                param="revision",
            )
        if not fields:
            raise InvalidParameter("Set title or answer: there is nothing to change.")
        self.finish_json(await self.service.assistant.change(chat_id, fields, revision))

    @allowed("write")
    async def delete(self, chat_id: str) -> None:
        """Delete a chat."""
        await self.service.assistant.delete(chat_id)
        self.finish_json({"deleted": True, "id": chat_id, "object": "chat"})


#: By the query argument ``format``: the ending of the file, its media type and its content.
_FORMATS: dict[str, tuple[str, str, Callable[[Chat], bytes]]] = {
    "markdown": ("md", "text/markdown; charset=utf-8", lambda chat: markdown_of(chat).encode()),
    "notebook": (
        "ipynb",
        "application/x-ipynb+json",
        lambda chat: msgspec.json.format(msgspec.json.encode(notebook_of(chat)), indent=1),
    ),
    "json": (
        "json",
        "application/json",
        lambda chat: msgspec.json.format(msgspec.json.encode(chat), indent=1),
    ),
}


class ChatExportHandler(PowerHandler):
    @allowed("read")
    async def get(self, chat_id: str) -> None:
        """Send a chat as a file to download."""
        name = self.get_query_argument("format", "markdown")
        if name not in _FORMATS:
            raise wrong_value("format", "markdown, notebook or json", name, is_choice=True)
        ending, media_type, encoded = _FORMATS[name]
        chat = await self.service.assistant.chat(chat_id)
        content = await self.context.decoder.run(lambda: encoded(chat))  # may be large
        self.set_header("Content-Type", media_type)
        self.set_header("Content-Disposition", f"attachment; {_file_name(chat, ending)}")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(content)


class PresetsHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List the presets."""
        self.finish_json({"object": "list", "data": await self.service.assistant.presets()})


class PresetHandler(PowerHandler):
    @allowed("write")
    async def put(self, name: str) -> None:
        """Store a preset."""
        content = await self.decode(lambda: check(self.json_body(), PresetContent))
        stored = await self.service.assistant.put_preset(Preset(name, content.parameters))
        self.finish_json(stored)

    @allowed("write")
    async def delete(self, name: str) -> None:
        """Delete a preset."""
        await self.service.assistant.delete_preset(name)
        self.finish_json({"deleted": True, "id": name, "object": "preset"})


def _given(fields: msgspec.Struct) -> dict[str, Any]:
    return {
        name: value
        for name in fields.__struct_fields__
        if (value := getattr(fields, name)) is not UNSET
    }


def _file_name(chat: Chat, ending: str) -> str:
    """Return the parameters of Content-Disposition with the name of the file (RFC 6266)."""
    title = " ".join(re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', " ", chat.title).split())[:60].strip(". ")
    name = f"{title or 'Chat'}.{ending}"
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name)}"
