"""Content of messages: a string, or a list of parts."""

from __future__ import annotations

from typing import Any

Content = str | list[dict[str, Any]]
Message = dict[str, Any]


def as_parts(content: Content) -> list[dict[str, Any]]:
    """Return content as a list of parts."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def joined(contents: list[Content]) -> Content:
    """Join the content of several messages into that of one, with blank lines between texts."""
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(text for text in contents if isinstance(text, str) and text)
    return [part for content in contents if content for part in as_parts(content)]


def with_suffix(content: Content, suffix: str) -> Content:
    """Append a text to content."""
    if isinstance(content, str):
        return content + suffix
    if content and content[-1].get("type") == "text":
        return [*content[:-1], {**content[-1], "text": content[-1]["text"] + suffix}]
    return [*content, {"type": "text", "text": suffix}]


def text_at_end(content: Content) -> str:
    """Return the text with which content ends."""
    return str(as_parts(content)[-1].get("text", "")) if content else ""
