"""Render HTML and plain text for saved notebooks and front ends without widgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from ..contract.text import printable
from ..contract.types import Model, PullStatus
from ..display import activity, answer_parts, formatting, pull_progress
from ..display.markup import escape

_HEADERS = ("Name", "Format", "Disk", "Parameters", "State", "Memory")

#: Content by MIME type.
Bundle = dict[str, str]


def models(registered: Sequence[Model]) -> Bundle:
    """Render a table of models."""
    if not registered:
        return _bundle("<p>No models yet.</p>", "No models yet.")
    rows = [_row(model) for model in registered]
    head = "".join(f'<th scope="col">{title}</th>' for title in _HEADERS)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    markup = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _bundle(markup, formatting.columns((_HEADERS, *rows)))


def pull(name: str, status: PullStatus | None) -> Bundle:
    """Render a pull; `status` is None if there is no pull of this name."""
    if status is None:
        return _bundle(f"<p>{escape(name)}: not pulled</p>", f"{name}: not pulled")
    return _bundle(pull_progress.markup(status), pull_progress.text(status))


def chat(model: str, messages: Iterable[Mapping[str, Any]]) -> Bundle:
    """Render a conversation. Markdown is shown as plain text, and images are omitted.

    HTML folds thoughts and calls away. Text leaves thoughts out.
    """
    title = f"Chat with {model}" if model else "Chat"
    lines, paragraphs = [title], ""
    for message in messages:
        role, content = str(message.get("role", "")), _text_of(message)
        folded = [*_folded(message)]
        paragraphs += f"<p><strong>{escape(role)}</strong><br>{escape(content)}</p>"
        paragraphs += answer_parts.markup(folded)
        calls = [part.line for part in folded if isinstance(part, answer_parts.Call)]
        lines += [f"{role}: {content}", *calls]
    text = "\n".join(lines)
    return _bundle(f"<p>{escape(title)}</p>{paragraphs}", text)


def _bundle(markup: str, text: str) -> Bundle:
    return {"text/html": markup, "text/plain": printable(text)}


#: Shown if the server does not respond.
NO_RESPONSE = _bundle(
    "<p>The server did not respond when this was displayed.</p>",
    "The server did not respond when this was displayed.",
)


def _text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message. In OpenAI's API, content is a string, parts or None."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]  # users can set anything
        return "\n".join(str(part["text"]) for part in parts if "text" in part)
    return "" if content is None else str(content)


def _folded(message: Mapping[str, Any]) -> Iterator[answer_parts.Part]:
    """Return the thoughts and the calls of a message, as far as they have the usual form."""
    thoughts = message.get("reasoning_content")
    if isinstance(thoughts, str) and thoughts:
        yield answer_parts.Thoughts(thoughts)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            name, arguments = function.get("name", ""), function.get("arguments", "")
            yield answer_parts.Call(str(name), str(arguments))


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.id,
        formatting.format_of(model),
        formatting.size(model.size_bytes) if model.size_bytes else "",
        formatting.parameters_of(model),
        activity.state(model),
        "" if model.memory_bytes is UNSET else formatting.size(model.memory_bytes),
    )


def _cells(row: Sequence[str]) -> str:
    first, *rest = (escape(cell) for cell in row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest)
