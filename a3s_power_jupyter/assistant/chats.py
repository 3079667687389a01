"""Chats as files, one for each. All methods block, and may be called in several threads.

Two servers of one user may share the folder: changes are made under a lock of the folder and name
the revision that they are based on, and files are read again when they have changed.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..contract.errors import (
    BodyTooLarge,
    ChatChanged,
    ChatNotFound,
    ChatUnreadable,
    InvalidParameter,
)
from ..contract.text import quoted
from ..contract.types import Chat, ChatProblem, ChatSummary
from .chat_text import excerpt_of, text_of, title_of
from .documents import changing, read_document, unreadable, using, write_document

#: Bytes of the file of a chat, with its images, and number of chats.
MAX_CHAT_BYTES = 64 * 2**20
MAX_CHATS = 5_000

#: Seconds after which a search returns what it has found.
SEARCH_SECONDS = 10.0

_ID = re.compile(r"[0-9a-f]{32}")

Signature = tuple[int, int, int]


class Listed(NamedTuple):
    """All chats, the newest first, and what could not be read."""

    chats: list[ChatSummary]
    problems: list[ChatProblem]


class _Entry(NamedTuple):
    signature: Signature
    content: ChatSummary | ChatProblem


class ChatFolder:
    """The chats in a folder.

    Parameters
    ----------
    folder : Path
        Created by the first chat. Other files in it are ignored.
    """

    def __init__(self, folder: Path, *, max_chats: int = MAX_CHATS) -> None:
        self._folder = folder
        self._max_chats = max_chats
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._has_looked = False

    # ---------------------------------------------------------------- read

    def get(self, chat_id: str) -> Chat:
        """Return a chat. Raises `ChatNotFound` or `ChatUnreadable`."""
        path = self._path(chat_id)
        with using(self._folder, "read"):
            try:
                document = read_document(path, MAX_CHAT_BYTES)
            except FileNotFoundError:
                raise _not_found(chat_id) from None
        try:
            chat = msgspec.convert({**document, "id": chat_id}, Chat)
        except msgspec.ValidationError as error:
            raise unreadable(path, str(error)) from None
        return chat

    def summary(self, chat_id: str) -> ChatSummary | None:
        """Return what the last look at the folder has seen of a chat, None if it was not there."""
        entry = self._entries.get(chat_id)
        return entry.content if entry and isinstance(entry.content, ChatSummary) else None

    def refresh(self) -> set[str]:
        """Look at the folder, and return the ids of the chats that differ from the last look.

        The first look returns none.
        """
        with self._lock, using(self._folder, "read"):
            found: dict[str, _Entry] = {}
            for chat_id, signature in self._files():
                entry = self._entries.get(chat_id)
                if entry is None or entry.signature != signature:
                    entry = self._read_entry(chat_id, signature)
                if entry is not None:
                    found[chat_id] = entry
            before, self._entries = self._entries, found
            ids = before.keys() | found.keys() if self._has_looked else set()
            self._has_looked = True
            return {chat_id for chat_id in ids if before.get(chat_id) != found.get(chat_id)}

    def all(self) -> Listed:
        """Return all chats, as the last look has seen them."""
        contents = [entry.content for entry in list(self._entries.values())]
        chats = [each for each in contents if isinstance(each, ChatSummary)]
        problems = [each for each in contents if isinstance(each, ChatProblem)]
        chats.sort(key=lambda chat: (-chat.updated_at, chat.id))
        return Listed(chats, sorted(problems, key=lambda problem: problem.file))

    def search(self, query: str, clock: Callable[[], float] = time.monotonic) -> Listed:
        """Return the chats that have all words of `query` in their title or text."""
        words = query.casefold().split()
        chats, problems = self.all()
        if not words:
            return Listed(chats, problems)
        found, end = [], clock() + SEARCH_SECONDS
        for summary in chats:
            if clock() > end:
                message = "The search took too long, so older chats were not searched."
                problems = [*problems, ChatProblem("", message)]
                break
            try:
                text = "\n".join(text_of(message) for message in self.get(summary.id).messages)
            except (ChatNotFound, ChatUnreadable):
                continue  # deleted or replaced in the meantime
            folded = f"{summary.title}\n{text}".casefold()
            if all(word in folded for word in words):
                excerpt = excerpt_of(text, words)
                found.append(msgspec.structs.replace(summary, excerpt=excerpt))
        return Listed(found, problems)

    # ---------------------------------------------------------------- change

    def create(self, chat_id: str | None, fields: dict[str, Any]) -> ChatSummary:
        """Create a chat with some of the fields of `Chat`.

        Raises
        ------
        ChatChanged
            If there is a chat with this id, for example because the request is repeated.
        InvalidParameter
            If the id is none, or there are too many chats.
        """
        chat_id = secrets.token_hex(16) if chat_id is None else chat_id
        if not _ID.fullmatch(chat_id):
            raise InvalidParameter("id must have 32 hexadecimal digits in lower case.", param="id")
        with changing(self._folder):
            if self._path(chat_id).exists():
                raise ChatChanged(f"There already is a chat with the id {chat_id}. Get it first.")
            if sum(1 for _ in self._files()) >= self._max_chats:
                raise InvalidParameter(
                    f"There are already {self._max_chats:,} chats, the maximum. Delete some first."
                )
            now = _now()
            empty = Chat(chat_id, "", "", {}, [], None, now, now, 1)
            return self._write(msgspec.structs.replace(empty, **fields))

    def change(
        self, chat_id: str, fields: dict[str, Any], revision: int | None = None
    ) -> ChatSummary:
        """Replace fields of a chat.

        Parameters
        ----------
        revision : int or None
            The revision that the change is based on; None to change whatever is there.

        Raises
        ------
        ChatChanged
            If the chat has another revision.
        ChatNotFound, ChatUnreadable
            As `get`.
        """
        with changing(self._folder):
            chat = self.get(chat_id)
            if revision is not None and revision != chat.revision:
                raise ChatChanged(
                    f"The chat was changed elsewhere: its revision is {chat.revision}, not "
                    f"{revision}. Get it, and apply the change to that."
                )
            changed = msgspec.structs.replace(
                chat, **fields, updated_at=_now(), revision=chat.revision + 1
            )
            return self._write(changed)

    def delete(self, chat_id: str) -> None:
        """Delete a chat. Raises `ChatNotFound`."""
        with changing(self._folder):
            try:
                self._path(chat_id).unlink()
            except FileNotFoundError:
                raise _not_found(chat_id) from None
            with self._lock:
                self._entries.pop(chat_id, None)

    # ---------------------------------------------------------------- files

    def _path(self, chat_id: str) -> Path:
        """Return the path of a chat. Raises `ChatNotFound` for what is no id."""
        if not _ID.fullmatch(chat_id):
            raise _not_found(chat_id)
        return self._folder / f"{chat_id}.json"

    def _files(self) -> Iterator[tuple[str, Signature]]:
        try:
            paths = [*self._folder.iterdir()]
        except FileNotFoundError:
            return
        for path in paths:
            if path.suffix == ".json" and _ID.fullmatch(path.stem):
                try:
                    status = path.stat()
                except OSError:
                    continue  # deleted in the meantime, or a link to nothing
                yield path.stem, (status.st_mtime_ns, status.st_size, status.st_ino)

    def _read_entry(self, chat_id: str, signature: Signature) -> _Entry | None:
        try:
            return _Entry(signature, _summarized(self.get(chat_id)))
        except ChatNotFound:
            return None
        except ChatUnreadable as error:
            return _Entry(signature, ChatProblem(f"{chat_id}.json", error.message))

    def _write(self, chat: Chat) -> ChatSummary:
        if not chat.title:
            chat = msgspec.structs.replace(chat, title=title_of(chat.messages))
        document = msgspec.to_builtins(chat)
        if len(msgspec.json.encode(document)) > MAX_CHAT_BYTES - 100:
            raise BodyTooLarge(
                f"The chat is larger than {MAX_CHAT_BYTES >> 20} MB. Begin a new one."
            )
        path = self._path(chat.id)
        write_document(path, document)
        status = path.stat()
        summary = _summarized(chat)
        with self._lock:
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            self._entries[chat.id] = _Entry(signature, summary)
        return summary


def _summarized(chat: Chat) -> ChatSummary:
    return ChatSummary(
        id=chat.id,
        title=chat.title,
        model=chat.model,
        created_at=chat.created_at,
        updated_at=chat.updated_at,
        revision=chat.revision,
        message_count=len(chat.messages),
    )


def _not_found(chat_id: str) -> ChatNotFound:
    return ChatNotFound(f"There is no chat {quoted(chat_id)}. It may have been deleted.")


def _now() -> float:
    return round(time.time(), 3)
