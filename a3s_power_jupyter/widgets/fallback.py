"""What a display is where there are no widgets, and in a notebook that was saved: HTML and text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from ..contract.types import Model, PullStatus
from ..display import formatting, pull_progress

_HEADERS = ("Name", "Format", "Disk", "Parameters", "State", "Memory")

Bundle = dict[str, str]


def models(found: Sequence[Model]) -> Bundle:
    """A table of models as they were when it was shown."""
    if not found:
        return _bundle("<p>No models yet.</p>", "No models yet.")
    rows = [_row(model) for model in found]
    head = "".join(f'<th scope="col">{title}</th>' for title in _HEADERS)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    markup = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _bundle(markup, formatting.columns((_HEADERS, *rows)))


def pull(name: str, status: PullStatus | None) -> Bundle:
    """A pull as it was when it was shown."""
    if status is None:
        return _bundle(f"<p>{html.escape(name)}: not pulled</p>", f"{name}: not pulled")
    return _bundle(pull_progress.markup(status), pull_progress.text(status))


def chat(model: str, messages: Iterable[Mapping[str, Any]]) -> Bundle:
    """A conversation, without its Markdown and images."""
    said = [(str(message.get("role", "")), _text_of(message)) for message in messages]
    title = f"Chat with {model}" if model else "Chat"
    text = "\n".join([title, *(f"{role}: {content}" for role, content in said)])
    paragraphs = "".join(
        f"<p><strong>{html.escape(role)}</strong><br>{html.escape(content)}</p>"
        for role, content in said
    )
    return _bundle(f"<p>{html.escape(title)}</p>{paragraphs}", text)


def _bundle(markup: str, text: str) -> Bundle:
    return {"text/html": markup, "text/plain": text}


#: Where nothing can be said.
UNKNOWN = _bundle(
    "<p>The server did not answer when this was shown.</p>",
    "The server did not answer when this was shown.",
)


def _text_of(message: Mapping[str, Any]) -> str:
    """The content of a message, which OpenAI's API has as a text, as parts, or not at all."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]  # code may set anything
        return "\n".join(str(part["text"]) for part in parts if "text" in part)
    return "" if content is None else str(content)


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.id,
        formatting.format_of(model),
        formatting.size(model.size_bytes) if model.size_bytes else "",
        formatting.parameters_of(model),
        model.state,
        "" if model.memory_bytes is UNSET else formatting.size(model.memory_bytes),
    )


def _cells(row: Sequence[str]) -> str:
    first, *rest = (html.escape(cell) for cell in row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest)
