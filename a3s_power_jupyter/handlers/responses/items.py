"""Read the items of an input in all their forms, and return each in its full form.

The full forms are those that the API returns: with an id, a status, and lists of parts. They are
what is stored, and what `conversation` makes messages of.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted
from ..chat.contents import MAX_MESSAGES, MAX_PARTS, read_role, refuse_fields
from ..chat.functions import check_name
from ..chat.history import arguments_text
from ..fields import optional_string, required_string, wrong_value
from .reasoning import readable, unsealed

#: Most items of an input.
MAX_ITEMS = MAX_MESSAGES

#: The roles of messages.
_ROLES = ("user", "system", "developer", "assistant")

#: The beginning of the identifiers of items.
_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
}

#: Parts that are text, and the field that holds it.
_TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}

#: Fields of messages in other dialects, and what to send in place of them.
_FOREIGN = {
    "tool_calls": "Send each call as an item of the type 'function_call'.",
    "function_call": "Send the call as an item of the type 'function_call'.",
    "images": "Send parts of the type 'input_image' in the content.",
}

_FILES = {
    "input_file": "files. Send their text as a part of the type 'input_text'",
    "input_audio": "audio. Send text",
}

Json = dict[str, Any]

#: Returns the stored item with an identifier, or raises `PowerError`.
Lookup = Callable[[str, str], Json]


class Item(msgspec.Struct, frozen=True):
    """An item in its full form, and its path in the request."""

    value: Json
    at: str


def read_items(value: Any, lookup: Lookup, at: str = "input") -> list[Item]:
    """Read an input: a string, which is a message of the user, or a list of items.

    Parameters
    ----------
    lookup : callable
        Finds what an ``item_reference`` means: it gets the identifier and the path of the item.

    Raises
    ------
    InvalidParameter
        If an item is malformed.
    UnsupportedRequestFields
        If an item is of a tool that local models do not have, or has a file.
    """
    if isinstance(value, str):
        return [Item(_message({"role": "user", "content": value}, at), at)]
    if not isinstance(value, list):
        raise wrong_value(at, "a string or a list of items", value)
    if len(value) > MAX_ITEMS:
        raise InvalidParameter(f"{at!r} has more than {MAX_ITEMS:,} items.", param=at)
    paths = (f"{at}[{i}]" for i in range(len(value)))
    once = _Once(lookup)
    return [Item(_item(item, once, path), path) for item, path in zip(value, paths, strict=True)]


class _Once:
    """Looks up each stored item once. Many references would make a prompt of any length."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._seen: set[str] = set()

    def __call__(self, id_: str, at: str) -> Json:
        if id_ in self._seen:
            raise InvalidParameter(f"{at} refers to the item {quoted(id_)} once more.", param=at)
        self._seen.add(id_)
        return self._lookup(id_, at)


def with_own_ids(items: Iterable[Item], carried: Iterable[Json]) -> list[Item]:
    """Return `items`, where those with the id of an earlier one have a new id.

    Clients read lists in pages, each of which begins after an id.
    """
    seen = {item["id"] for item in carried}
    found = []
    for item in items:
        if item.value["id"] in seen:
            prefix = _PREFIXES[item.value["type"]]
            item = msgspec.structs.replace(item, value=item.value | {"id": new_id(prefix)})
        seen.add(item.value["id"])
        found.append(item)
    return found


def new_id(prefix: str) -> str:
    """Return an identifier for an item or a response."""
    return f"{prefix}_{uuid.uuid4().hex}"


def _item(item: Any, lookup: Lookup, at: str) -> Json:
    if not isinstance(item, dict):
        raise wrong_value(at, "an object", item)
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item or "id" not in item else "item_reference"
    if kind == "item_reference":
        return lookup(required_string(item, "id", at), at)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise UnsupportedRequestFields(
            f"{at} is an item of the type {quoted(kind)}, which local models do not have. Remove "
            f"it. Supported types: {', '.join(_READERS)}, item_reference.",
            param=f"{at}.type",
        )
    return reader(item, at)


def _message(item: Json, at: str) -> Json:
    role = read_role(item, _ROLES, at)
    refuse_fields(item, _FOREIGN, at)
    parts = list(_parts(item.get("content"), role, f"{at}.content"))
    return _head(item, "message", at) | {"role": role, "content": parts}


def _parts(content: Any, role: str, at: str) -> Iterator[Json]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise wrong_value(at, "a string or a list of parts", content)
    if len(content) > MAX_PARTS:
        raise InvalidParameter(f"{at} has more than {MAX_PARTS:,} parts.", param=at)
    for i, part in enumerate(content):
        yield _part(part, role, f"{at}[{i}]")


def _part(part: Any, role: str, at: str) -> Json:
    if not isinstance(part, dict):
        raise wrong_value(at, "an object with a 'type'", part)
    kind = part.get("type")
    if isinstance(kind, str) and kind in _FILES:
        raise UnsupportedRequestFields(
            f"{at} has the type {kind!r}: local models read no {_FILES[kind]}.", param=f"{at}.type"
        )
    if kind == "input_image" and role != "assistant":
        return _image(part, at)
    if not isinstance(kind, str) or kind not in _TEXT_PARTS:
        kinds = [*_TEXT_PARTS, *(["input_image"] if role != "assistant" else [])]
        raise InvalidParameter(
            f"Unknown type {quoted(kind)} of {at}. Use one of: {', '.join(kinds)}.",
            param=f"{at}.type",
        )
    text = required_string(part, _TEXT_PARTS[kind], at)
    if role != "assistant":
        return {"type": "input_text", "text": text}
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": []}


def _image(part: Json, at: str) -> Json:
    if part.get("file_id") is not None:
        raise UnsupportedRequestFields(
            f"{at}.file_id is not supported: the server stores no files. Send the image itself as "
            "image_url: data:image/png;base64,...",
            param=f"{at}.file_id",
        )
    url = required_string(part, "image_url", at)
    detail = optional_string(part, "detail", at)
    known = detail if detail in ("low", "high", "original") else "auto"
    return {"type": "input_image", "image_url": url, "detail": known}


def _call(item: Json, at: str) -> Json:
    call = _head(item, "function_call", at) | {
        "call_id": _call_id(item, at),
        "name": check_name(item.get("name"), f"{at}.name"),
        "arguments": arguments_text(item.get("arguments"), f"{at}.arguments"),
    }
    namespace = optional_string(item, "namespace", at)
    return call | ({"namespace": namespace} if namespace else {})


def _output(item: Json, at: str) -> Json:
    output = item.get("output")
    if not isinstance(output, str):
        output = list(_parts(output, "tool", f"{at}.output"))
    head = _head(item, "function_call_output", at)
    return head | {"call_id": _call_id(item, at), "output": output}


def _call_id(item: Json, at: str) -> str:
    call_id = required_string(item, "call_id", at)
    if not call_id:
        raise InvalidParameter(f"{at}.call_id must not be empty.", param=f"{at}.call_id")
    return call_id


def _thoughts(item: Json, at: str) -> Json:
    """Read an item of thoughts: those of the server itself, or in plain text."""
    content = list(_texts(item, "content", "reasoning_text", at))
    summary = list(_texts(item, "summary", "summary_text", at))
    sealed = optional_string(item, "encrypted_content", at)
    if sealed and unsealed(sealed) is None and not readable(content or summary):
        raise InvalidParameter(
            f"{at}.encrypted_content was not made by this server, which cannot read it. Remove "
            "the item.",
            param=f"{at}.encrypted_content",
        )
    thoughts = _head(item, "reasoning", at) | {"summary": summary, "content": content}
    return thoughts | ({"encrypted_content": sealed} if sealed else {})


def _texts(item: Json, field: str, kind: str, at: str) -> Iterator[Json]:
    parts = item.get(field)
    if parts is None:
        return
    if not isinstance(parts, list) or len(parts) > MAX_PARTS:
        raise wrong_value(f"{at}.{field}", f"a list of at most {MAX_PARTS:,} parts", parts)
    for i, part in enumerate(parts):
        where = f"{at}.{field}[{i}]"
        if not isinstance(part, dict):
            raise wrong_value(where, "an object", part)
        yield {"type": kind, "text": required_string(part, "text", where)}


def _head(item: Json, kind: str, at: str) -> Json:
    """Return the first fields of an item: its own identifier, or a new one."""
    status = optional_string(item, "status", at)
    known = status if status in ("in_progress", "completed", "incomplete") else "completed"
    id_ = optional_string(item, "id", at)
    return {"id": id_ or new_id(_PREFIXES[kind]), "type": kind, "status": known}


_READERS: dict[str, Callable[[Json, str], Json]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _thoughts,
}
