"""Read the calls of functions in the messages of a chat, and the results of the calls."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted


class CallHistory:
    """The calls in the messages of one chat, which are read in their order.

    Calls and results without an identifier get one. It depends on their position only, so that the
    prompt of the next turn begins with that of this turn.
    """

    def __init__(self) -> None:
        self._made_up = 0
        self._names: dict[str, str] = {}  # of the functions, by the identifiers of the calls
        self._open: list[str] = []  # the identifiers of calls without a result

    def calls(self, message: dict[str, Any], at: str) -> list[dict[str, Any]]:
        """Return the calls of an assistant's message, as in `ChatRequest.messages`.

        Raises
        ------
        UnsupportedRequestFields
            If a call is not of a function.
        InvalidParameter
            If a call is malformed.
        """
        calls = message.get("tool_calls")
        if not calls and message.get("function_call"):
            return [self._call(message["function_call"], None, f"{at}.function_call")]
        if calls is None:
            return []
        if not isinstance(calls, list):
            raise InvalidParameter(f"{at}.tool_calls must be a list.", param=f"{at}.tool_calls")
        return [self._tool_call(call, f"{at}.tool_calls[{i}]") for i, call in enumerate(calls)]

    def result(self, message: dict[str, Any], at: str) -> dict[str, str]:
        """Return which call the message of a tool answers: ``tool_call_id``, and ``name`` if known.

        A message without an identifier answers the first call of its function that has no result.

        Raises
        ------
        InvalidParameter
            If the identifier or the name is not a string.
        """
        id_, name = (
            optional_string(message, "tool_call_id", at),
            optional_string(message, "name", at),
        )
        if not id_:
            same = (open_ for open_ in self._open if not name or self._names[open_] == name)
            id_ = next(same, None) or self._new_id()
        if id_ in self._open:
            self._open.remove(id_)
        name = name or self._names.get(id_)
        return {"tool_call_id": id_, **({"name": name} if name else {})}

    def _tool_call(self, call: Any, at: str) -> dict[str, Any]:
        if not isinstance(call, dict):
            raise InvalidParameter(f"{at} must be an object.", param=at)
        kind = call.get("type") or "function"
        if kind != "function":
            raise UnsupportedRequestFields(
                f"{at} is a call of the type {quoted(kind)}, which local models do not have. "
                "Remove it from the messages.",
                param=f"{at}.type",
            )
        return self._call(call.get("function"), optional_string(call, "id", at), f"{at}.function")

    def _call(self, function: Any, id_: str | None, at: str) -> dict[str, Any]:
        if not isinstance(function, dict):
            raise InvalidParameter(f"{at} must be an object.", param=at)
        name = optional_string(function, "name", at)
        if not name:
            raise InvalidParameter(f"{at}.name is missing.", param=f"{at}.name")
        arguments = _arguments(function.get("arguments"), f"{at}.arguments")
        id_ = id_ or self._new_id()
        self._names[id_] = name
        self._open.append(id_)
        return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}

    def _new_id(self) -> str:
        """Return an identifier of nine letters and digits, which some chat templates require."""
        self._made_up += 1
        return f"call{self._made_up:05d}"


def optional_string(value: dict[str, Any], field: str, at: str) -> str | None:
    """Return a field that is a string or null, or raise `InvalidParameter`."""
    found = value.get(field)
    if found is not None and not isinstance(found, str):
        raise InvalidParameter(f"{at}.{field} must be a string.", param=f"{at}.{field}")
    return found


def _arguments(value: Any, at: str) -> str:
    """Return the arguments as text, also where the client sends an object."""
    if isinstance(value, str):
        return value or "{}"
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise InvalidParameter(f"{at} must be a string with JSON.", param=at)
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        raise InvalidParameter(
            f"{at} has a number that is too large, or is nested too deeply.", param=at
        ) from None
