"""Read the calls of functions in the messages of a chat, and the results of the calls."""

from __future__ import annotations

from typing import Any

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted
from ..chat.history import CallHistory, arguments_text
from ..fields import optional_string, wrong_value


def read_calls(history: CallHistory, message: dict[str, Any], at: str) -> list[dict[str, Any]]:
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
        return [_call(history, message["function_call"], None, f"{at}.function_call")]
    if calls is None:
        return []
    if not isinstance(calls, list):
        raise wrong_value(f"{at}.tool_calls", "a list", calls)
    return [_tool_call(history, call, f"{at}.tool_calls[{i}]") for i, call in enumerate(calls)]


def read_result(history: CallHistory, message: dict[str, Any], at: str) -> dict[str, str]:
    """Return which call the message of a tool answers, as `CallHistory.result`.

    Raises
    ------
    InvalidParameter
        If the identifier or the name is not a string.
    """
    id_ = optional_string(message, "tool_call_id", at)
    return history.result(id_, optional_string(message, "name", at))


def _tool_call(history: CallHistory, call: Any, at: str) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise wrong_value(at, "an object", call)
    kind = call.get("type") or "function"
    if kind != "function":
        raise UnsupportedRequestFields(
            f"{at} is a call of the type {quoted(kind)}, which local models do not have. "
            "Remove it from the messages.",
            param=f"{at}.type",
        )
    id_ = optional_string(call, "id", at)
    return _call(history, call.get("function"), id_, f"{at}.function")


def _call(history: CallHistory, function: Any, id_: str | None, at: str) -> dict[str, Any]:
    if not isinstance(function, dict):
        raise wrong_value(at, "an object", function)
    name = optional_string(function, "name", at)
    if not name:
        raise InvalidParameter(f"{at}.name is missing.", param=f"{at}.name")
    return history.call(name, arguments_text(function.get("arguments"), f"{at}.arguments"), id_)
