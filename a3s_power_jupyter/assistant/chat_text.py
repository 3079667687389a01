"""The text of messages, without what is attached to them: for titles, searches and exports."""

from __future__ import annotations

from typing import Any

#: Characters of a title, and of the text around a word that was found.
TITLE_LENGTH = 80
EXCERPT_LENGTH = 120


def text_of(message: dict[str, Any]) -> str:
    """Return the text of a message. Messages are as clients sent them, so any field may be odd."""
    return "\n\n".join(part for part in _texts(message, _attached(message)) if part)


def attachments_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the title and the text of each attachment; the text is empty for an image."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    found = []
    for note in _notes(message):
        index = note["part"]
        text = parts[index].get("text") if isinstance(parts[index], dict) else None
        found.append((string_of(note.get("title")), string_of(text)))
    return found


def thoughts_of(message: dict[str, Any]) -> str:
    return string_of(message.get("reasoning_content"))


def title_of(messages: list[dict[str, Any]]) -> str:
    """Return the first question in one line, cut to `TITLE_LENGTH` characters."""
    for message in messages:
        if message.get("role") == "user":
            line = " ".join(text_of(message)[: 10 * TITLE_LENGTH].split())
            return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1]}…"
    return ""


def excerpt_of(text: str, words: list[str]) -> str:
    """Return the text around the first of `words` in one line, or '' if none is in it."""
    folded = text.casefold()
    positions = [position for word in words if (position := folded.find(word)) >= 0]
    if not positions:
        return ""
    start = max(0, min(positions) - EXCERPT_LENGTH // 3)
    cut = " ".join(text[start : start + EXCERPT_LENGTH].split())
    return ("…" if start else "") + cut + ("…" if start + EXCERPT_LENGTH < len(text) else "")


def _texts(message: dict[str, Any], attached: set[int]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [
        string_of(part.get("text"))
        for index, part in enumerate(parts)
        if isinstance(part, dict) and index not in attached
    ]


def _attached(message: dict[str, Any]) -> set[int]:
    return {note["part"] for note in _notes(message)}


def _notes(message: dict[str, Any]) -> list[dict[str, Any]]:
    content, notes = message.get("content"), message.get("attachments")
    if not isinstance(content, list) or not isinstance(notes, list):
        return []
    return [
        note
        for note in notes
        if isinstance(note, dict)
        and type(note.get("part")) is int
        and 0 <= note["part"] < len(content)
    ]


def string_of(value: object) -> str:
    """Return a value of a message if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""
