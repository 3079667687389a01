"""Write the calls of a history, and their results, as a template wants them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from ..chat.format import ChatFormat
from .contents import Message
from .protocol import Traits

_SHORT_ID = re.compile("[a-zA-Z0-9]{9}")


def has_calls(messages: list[Message]) -> bool:
    """Whether a history has calls or results."""
    return any(message.get("tool_calls") or message["role"] == "tool" for message in messages)


def complete(messages: list[Message]) -> list[Message]:
    """Give each call an id, and each result the id and the name of its call.

    A result without an id belongs to the first call before it that has no result yet and, if the
    result has a name, the same name.
    """
    found: list[Message] = []
    names: dict[str, str] = {}
    open_calls: dict[str, str] = {}
    for message in messages:
        if message.get("tool_calls"):
            calls = [
                {**call, "id": call.get("id") or f"call_{len(names)}_{i}"}
                for i, call in enumerate(message["tool_calls"])
            ]
            open_calls = {call["id"]: call["function"]["name"] for call in calls}
            names.update(open_calls)
            message = {**message, "tool_calls": calls}
        elif message["role"] == "tool":
            id_ = message.get("tool_call_id") or _open_call(open_calls, message.get("name"))
            name = message.get("name") or names.get(id_)
            open_calls.pop(id_, None)
            message = {**message, "tool_call_id": id_, **({"name": name} if name else {})}
        found.append(message)
    return found


def _open_call(open_calls: dict[str, str], name: str | None) -> str:
    ids = (id_ for id_, other in open_calls.items() if name in (None, other))
    return next(ids, "call_unknown")


def native(messages: list[Message], traits: Traits, format_: ChatFormat) -> list[Message]:
    """Return the messages with calls and results as the template renders them."""
    if traits.splits_calls:
        messages = list(_one_call_each(messages))
    if traits.splits_text:
        messages = list(_text_apart(messages))
    rename = _renaming(traits)
    written = []
    for message in messages:
        if message.get("tool_calls"):
            message = {**message, "tool_calls": [
                _call(call, rename, format_) for call in message["tool_calls"]
            ]}  # fmt: skip
            if traits.null_content and not message["content"]:
                message["content"] = None
        elif message["role"] == "tool":
            message = {**message, "tool_call_id": rename(message["tool_call_id"], "")}
        written.append(message)
    return written


def _call(
    call: dict[str, Any], rename: Callable[[str, str], str], format_: ChatFormat
) -> dict[str, Any]:
    function = call["function"]
    text = function["arguments"] or "{}"
    arguments = arguments_of(call) if format_.arguments_as == "object" else text
    return {
        "id": rename(call["id"], function["name"]),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def arguments_of(call: dict[str, Any]) -> Any:
    """Return the arguments of a call as an object, or the text if it is not valid JSON."""
    text = call["function"]["arguments"] or "{}"
    try:
        return json.loads(text)
    except ValueError:
        return text


def _renaming(traits: Traits) -> Callable[[str, str], str]:
    """Return a function that maps the id of a call, or of its result, to the one to write."""
    renamed: dict[str, str] = {}
    numbers = count()

    def named(id_: str, name: str) -> str:
        if name:  # a call
            renamed[id_] = f"functions.{name}:{next(numbers)}"
        return renamed.get(id_, id_)

    if traits.ids == "named":
        return named
    return _short_id if traits.ids == "short" else lambda id_, _: id_


def _short_id(id_: str, _name: str) -> str:
    if _SHORT_ID.fullmatch(id_):
        return id_
    return hashlib.sha256(id_.encode(errors="replace")).hexdigest()[:9]


def _one_call_each(messages: list[Message]) -> Iterator[Message]:
    """Give each call a message of its own, followed by its results."""
    rest = deque(messages)
    while rest:
        message = rest.popleft()
        calls = message.get("tool_calls") or []
        if len(calls) < 2:
            yield message
            continue
        results = []
        while rest and rest[0]["role"] == "tool":
            results.append(rest.popleft())
        for i, call in enumerate(calls):
            first = message if i == 0 else {"role": "assistant", "content": ""}
            yield {**first, "tool_calls": [call]}
            own = [result for result in results if result["tool_call_id"] == call["id"]]
            yield from own
            results = [result for result in results if result not in own]
        yield from results


def _text_apart(messages: list[Message]) -> Iterator[Message]:
    """Give the text before calls a message of its own."""
    for message in messages:
        if message.get("tool_calls") and message["content"]:
            yield {key: value for key, value in message.items() if key != "tool_calls"}
            yield {"role": "assistant", "content": "", "tool_calls": message["tool_calls"]}
        else:
            yield message
