"""Render the attachments of a question for saved notebooks.

The content of a question has the attached texts and images as parts, and its field ``attachments``
says which parts they are. `labextension/src/views/saved/attached.ts` renders the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..display.markup import escape

#: Most characters of an attached text. The HTML is saved again with each output of the chat.
MAX_TEXT = 4_000

#: Most characters of all images of a conversation, which are data URLs.
MAX_IMAGES = 2_000_000

# Formats of pixels only. Another URL would be a request, and SVG is a document.
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9_+/=]*")
_FENCED = re.compile(r"[^\n]*:\n`{3,}[^\n]*\n(.*)\n`{3,}\n*", re.DOTALL)
_KINDS = {"cell", "selection", "output", "error", "variable", "file", "image"}


class Attached(NamedTuple):
    """Something that a question is about.

    Attributes
    ----------
    cut : str
        What was left out when it was attached, '' if nothing was.
    image : str or None
        URL of an image; None for a text.
    """

    title: str
    text: str
    cut: str
    image: str | None


class Room:
    """Counts the characters that are left for the images of a conversation."""

    def __init__(self) -> None:
        self._left = MAX_IMAGES

    def take(self, image: str) -> bool:
        """Return whether an image is short enough, and count it if it is."""
        if len(image) > self._left:
            return False
        self._left -= len(image)
        return True


def attachments_of(message: Mapping[str, Any]) -> list[Attached]:
    """Return what is attached. Users can set messages, so other forms are ignored."""
    content, notes = message.get("content"), _notes(message)
    found = []
    for index, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, Mapping):
            continue
        title, cut = notes.get(index, ("Image", ""))
        image, text = _image_of(part), part.get("text")
        if image is not None:
            found.append(Attached(title, "", cut, image))
        elif index in notes and isinstance(text, str):
            fenced = _FENCED.fullmatch(text)
            found.append(Attached(title, fenced[1] if fenced else text, cut, None))
    return found


def question_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message without its attachments. Content is a string, parts or None."""
    content, notes = message.get("content"), _notes(message)
    if not isinstance(content, list):
        return "" if content is None else str(content)
    texts = [
        part.get("text")
        for index, part in enumerate(content)
        if index not in notes and isinstance(part, Mapping)
    ]
    return "\n".join(text for text in texts if isinstance(text, str))


def markup(attached: Attached, room: Room) -> str:
    """Return HTML: the title, which unfolds to the text, or the image, if there is room for it."""
    title, image = escape(attached.title), attached.image
    if image is None or not _IMAGE.fullmatch(image):
        return _folded(attached, title)
    if not room.take(image):
        return f'<div dir="auto"><small>{title} (too large to be saved here)</small></div>'
    picture = f'<img alt="" src="{image}" style="max-width: 100%; max-height: 20em">'
    return f'<div dir="auto">{picture}<br><small>{title}</small></div>'


def line(attachments: list[Attached]) -> str:
    """Return the titles in one line; '' if there are none."""
    titles = ", ".join(" ".join(attached.title.split()) for attached in attachments)
    return f"Attached: {titles}" if titles else ""


def _folded(attached: Attached, title: str) -> str:
    text = attached.text if attached.image is None else attached.image
    shown = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n…"
    cut = f"<small>{escape(attached.cut)}</small>" if attached.cut else ""
    block = f'<pre style="white-space: pre-wrap">{escape(shown)}</pre>'
    return f'<details><summary dir="auto">{title}</summary>{cut}{block}</details>'


def _notes(message: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """Return title and cut by the index of the part."""
    notes, content = message.get("attachments"), message.get("content")
    found: dict[int, tuple[str, str]] = {}
    if not isinstance(notes, list) or not isinstance(content, list):
        return found
    for note in notes:
        if not isinstance(note, Mapping) or note.get("kind") not in _KINDS:
            continue
        title, cut, part = note.get("title"), note.get("cut"), note.get("part")
        if isinstance(title, str) and isinstance(part, int) and 0 <= part < len(content):
            found[part] = (title, cut if isinstance(cut, str) else "")
    return found


def _image_of(part: Mapping[str, Any]) -> str | None:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    return url if isinstance(url, str) else None
