"""Render HTML and plain text for saved notebooks and front ends without widgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from ..contract.text import printable
from ..contract.types import Model, PullStatus
from ..display import activity, answer_parts, formatting, pull_progress
from ..display.markup import escape, from_markdown
from . import attached

_HEADERS = ("Name", "Format", "Disk", "Parameters", "State", "Memory")
_NUMBERS = ("Disk", "Parameters", "Memory")

#: Of each column: texts begin on the left, numbers end on the right, in any front end.
_STYLES = [
    f'style="text-align: {"right" if header in _NUMBERS else "left"}"' for header in _HEADERS
]

_EMPTY = "No models yet. %power pull lists models to begin with."

#: Content by MIME type.
Bundle = dict[str, str]

#: Said of an answer that was cut off, as in `labextension/src/views/saved/chat.ts`.
INCOMPLETE = "incomplete"


def models(registered: Sequence[Model]) -> Bundle:
    """Render a table of models."""
    if not registered:
        return _bundle(f"<p>{_EMPTY}</p>", _EMPTY)
    rows = [_row(model) for model in registered]
    head = "".join(
        f'<th scope="col" {style}>{title}</th>'
        for title, style in zip(_HEADERS, _STYLES, strict=True)
    )
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    markup = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _bundle(markup, formatting.columns(_HEADERS, rows, _NUMBERS))


def pull(name: str, status: PullStatus | None) -> Bundle:
    """Render a pull; `status` is None if there is no pull of this name."""
    if status is None:
        markup = f"<p><bdi>{escape(name)}</bdi>: not pulled</p>"
        return _bundle(markup, f"{name}: not pulled")
    return _bundle(pull_progress.markup(status), pull_progress.text(status))


def chat(
    model: str, messages: Iterable[Mapping[str, Any]], answer: Mapping[str, Any] | None = None
) -> Bundle:
    """Render a conversation, and the answer that is not finished, if there is one.

    HTML folds thoughts, attachments, and calls with their results away, and has the images that are
    data, as far as there is room. Text leaves thoughts out, and has the titles of attachments.
    `labextension/src/views/saved/chat.ts` renders the same in the browser.
    """
    title = f"Chat with {model}" if model else "Chat"
    room = attached.Room()
    listed = [*messages]
    results = _results(listed)
    shown = [_message(m, room, results) for m in listed if _answered(m) not in results]
    if answer is not None:
        shown.append(_message({**answer, "role": "assistant"}, room, results, incomplete=True))
    markup = "".join(message.markup for message in shown)
    text = "\n".join([title, *(message.text for message in shown)])
    return _bundle(f'<p dir="auto">{escape(title)}</p>{markup}', text)


class _Message(NamedTuple):
    markup: str
    text: str


def _message(
    message: Mapping[str, Any],
    room: attached.Room,
    results: Mapping[str, str],
    *,
    incomplete: bool = False,
) -> _Message:
    role, content = str(message.get("role", "")), attached.question_of(message)
    attachments, folded = attached.attachments_of(message), [*_folded(message, results)]
    calls = [part.line for part in folded if isinstance(part, answer_parts.Call)]
    note = f" ({INCOMPLETE})" if incomplete else ""
    markup = (
        f'<div dir="auto"><strong>{escape(role)}</strong>{note}</div>'
        f"{''.join(attached.markup(part, room) for part in attachments)}"
        f'<div dir="auto" style="margin: 0 0 1em">{_content(role, content)}</div>'
        f"{answer_parts.markup(folded)}"
    )
    lines = [f"{role}{note}: {content}", attached.line(attachments), *calls]
    return _Message(markup, "\n".join(filter(None, lines)))


def _content(role: str, content: str) -> str:
    if role == "assistant":
        return from_markdown(content)
    text = f'<div style="white-space: pre-wrap">{escape(content)}</div>'
    return f"<details><summary>Result</summary>{text}</details>" if role == "tool" else text


def _bundle(markup: str, text: str) -> Bundle:
    return {"text/html": markup, "text/plain": printable(text)}


#: Shown if the server does not respond.
NO_RESPONSE = _bundle(
    "<p>The server did not respond when this was displayed.</p>",
    "The server did not respond when this was displayed.",
)


def _folded(message: Mapping[str, Any], results: Mapping[str, str]) -> Iterator[answer_parts.Part]:
    """Return the thoughts and the calls of a message."""
    thoughts = message.get("reasoning_content")
    if isinstance(thoughts, str) and thoughts:
        yield answer_parts.Thoughts(thoughts)
    for call in _calls(message):
        yield answer_parts.Call(call.name, call.arguments, results.get(call.id))


class _Call(NamedTuple):
    id: str
    name: str
    arguments: str


def _calls(message: Mapping[str, Any]) -> Iterator[_Call]:
    """Return the calls of a message that have the usual form."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            name, arguments, id_ = function.get("name"), function.get("arguments"), call.get("id")
            if isinstance(name, str) and isinstance(arguments, str):
                yield _Call(id_ if isinstance(id_, str) else "", name, arguments)


def _results(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the results of calls by the id of the call. They are shown with it."""
    ids = {call.id for message in messages for call in _calls(message)} - {""}
    found = {_answered(message): attached.question_of(message) for message in messages}
    return {id_: result for id_, result in found.items() if id_ in ids}


def _answered(message: Mapping[str, Any]) -> str:
    """Return the id of the call that a message has the result of; '' if it has none."""
    id_ = message.get("tool_call_id") if message.get("role") == "tool" else None
    return id_ if isinstance(id_, str) else ""


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
    first, *rest = zip((escape(cell) for cell in row), _STYLES, strict=True)
    name, style = first
    others = "".join(f"<td {style}>{cell}</td>" for cell, style in rest)
    return f'<th dir="auto" scope="row" {style}>{name}</th>{others}'
