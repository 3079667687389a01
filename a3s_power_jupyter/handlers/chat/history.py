"""The calls of functions in the messages of a chat, and the results of the calls."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec

from ...contract.errors import InvalidParameter
from ..fields import wrong_value
from .contents import Part, content_of, text_part


class CallHistory:
    """The calls in the messages of one chat, which are read in their order.

    Calls and results without an identifier get one. It depends on their position only, so that the
    prompt of the next turn begins with that of this turn.
    """

    def __init__(self) -> None:
        self._made_up = 0
        self._names: dict[str, str] = {}  # of the functions, by the identifiers of the calls
        self._open: list[str] = []  # the identifiers of calls without a result

    def call(self, name: str, arguments: str, id_: str | None) -> dict[str, Any]:
        """Note a call, and return it as in `ChatRequest.messages`.

        Parameters
        ----------
        arguments : str
            JSON text, as `arguments_text` returns it.
        id_ : str or None
            The client's identifier; None or empty to make one up.
        """
        id_ = id_ or self._new_id()
        self._names[id_] = name
        self._open.append(id_)
        return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}

    def result(self, id_: str | None, name: str | None = None) -> dict[str, str]:
        """Return which call a result answers: ``tool_call_id``, and ``name`` if known.

        A result without an identifier answers the first call of its function that has no result.
        """
        if not id_:
            same = (open_ for open_ in self._open if not name or self._names[open_] == name)
            id_ = next(same, None) or self._new_id()
        if id_ in self._open:
            self._open.remove(id_)
        name = name or self._names.get(id_)
        return {"tool_call_id": id_, **({"name": name} if name else {})}

    def _new_id(self) -> str:
        """Return an identifier of nine letters and digits, which some chat templates require."""
        self._made_up += 1
        return f"call{self._made_up:05d}"


def with_results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with the results of calls as chat templates can render them.

    Their images move to the user's next message, because few templates have images elsewhere. The
    results of several calls get the order of these calls: most templates write no identifiers, so
    that only the order tells which result is that of which call.
    """
    return _in_order(_images_apart(messages))


def _images_apart(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    images: list[Part] = []
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else []
        if message["role"] == "tool" and parts:
            images += [part for part in parts if part["type"] == "image"]
            texts = [part for part in parts if part["type"] != "image"]
            message = {**message, "content": content_of(texts)}
        elif message["role"] != "tool" and images:
            if message["role"] == "user":
                rest = parts or ([text_part(content)] if content else [])
                message = {**message, "content": images + rest}
            else:
                found.append({"role": "user", "content": images})
            images = []
        found.append(message)
    return found + ([{"role": "user", "content": images}] if images else [])


def _in_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ordered: list[dict[str, Any]] = []
    position: dict[str, int] = {}
    for is_result, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        run = list(group)
        if is_result:
            run.sort(key=lambda message: position.get(message["tool_call_id"], len(position)))
        else:
            calls = run[-1].get("tool_calls") or []
            position = {call["id"]: i for i, call in reversed([*enumerate(calls)])}
        ordered += run
    return ordered


def arguments_text(value: Any, at: str) -> str:
    """Return the arguments of a call as JSON text, also where the client sends an object.

    Raises
    ------
    InvalidParameter
        If `value` is neither a string nor an object, or has a number that is too large.
    """
    if isinstance(value, str):
        return value or "{}"
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise wrong_value(at, "a string with JSON", value)
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        raise InvalidParameter(
            f"{at} has a number that is too large, or is nested too deeply.", param=at
        ) from None
