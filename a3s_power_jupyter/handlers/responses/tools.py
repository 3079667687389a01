"""Read the tools of a response, and whether the model has to call one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted
from ...contract.types import ToolChoice
from ..chat.chat_request import Tools
from ..chat.functions import (
    check_name,
    chosen,
    distinct,
    function,
    listed,
    name_of,
    parallel_calls,
    unsupported_tool,
)
from ..fields import optional_string, wrong_value
from .fields import ResponseFields

Json = dict[str, Any]

_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
}

_CHOICES = (
    "'auto', 'none', 'required', {'type': 'function', 'name': ...}, or "
    "{'type': 'allowed_tools', 'mode': 'auto', 'tools': [{'type': 'function', 'name': ...}]}"
)


class ResponseTools(Tools, frozen=True, kw_only=True):
    """The functions of a request.

    Attributes
    ----------
    namespaces : dict
        Namespace and own name of each function in a namespace, by the name that the model knows.
    shown : list of dict
        All tools in the form of a reply.
    shown_choice : str or dict
        The choice in the form of a reply.
    """

    namespaces: dict[str, tuple[str, str]] = {}
    shown: list[Json] = []
    shown_choice: Any = "auto"


def read_tools(fields: ResponseFields) -> ResponseTools:
    """Read the tools of a request. Without tools, the choice among them means nothing.

    Raises
    ------
    UnsupportedRequestFields
        If a tool is not a function.
    InvalidParameter
        If a function or the choice is malformed, a name is used twice, or the choice is of a
        function that is not defined.
    """
    tools = listed(fields.tools, "tools")
    found = [tool for i, item in enumerate(tools) for tool in _tool(item, f"tools[{i}]")]
    functions = distinct([tool for tool, _ in found], "tools")
    mode, names, shown_choice = _choice(fields.tool_choice)
    if not functions:
        is_mode = isinstance(shown_choice, str)
        return ResponseTools(
            parallel=parallel_calls(fields.parallel_tool_calls, ToolChoice()),
            shown_choice=shown_choice if is_mode else "auto",
        )
    remaining, choice = chosen(functions, mode, names, "tool_choice")
    return ResponseTools(
        functions=remaining,
        namespaces={name_of(tool): parts for tool, parts in found if parts is not None},
        choice=choice,
        parallel=parallel_calls(fields.parallel_tool_calls, choice),
        shown=[_shown(tool) for tool in tools],
        shown_choice=shown_choice,
    )


def joined(namespace: str | None, name: str) -> str:
    """Return the name that the model knows of a function, which may be in a namespace."""
    return f"{namespace.removesuffix('__')}__{name}" if namespace else name


def _tool(tool: Any, at: str) -> Iterator[tuple[Json, tuple[str, str] | None]]:
    """Yield the function of a tool, or those of a namespace, each with its namespace and name."""
    if not isinstance(tool, dict):
        raise wrong_value(at, "an object", tool)
    kind = tool.get("type")
    if kind == "function":
        yield _function(tool, at), None
    elif kind == "namespace":
        yield from _namespace(tool, at)
    else:
        raise unsupported_tool(kind, at)


def _namespace(tool: Json, at: str) -> Iterator[tuple[Json, tuple[str, str]]]:
    namespace = check_name(tool.get("name"), f"{at}.name")
    about = optional_string(tool, "description", at)
    for i, member in enumerate(listed(tool.get("tools"), f"{at}.tools")):
        where = f"{at}.tools[{i}]"
        if not isinstance(member, dict):
            raise wrong_value(where, "an object", member)
        if member.get("type") != "function":
            raise unsupported_tool(member.get("type"), where)
        name = check_name(member.get("name"), f"{where}.name")
        found = _function({**member, "name": joined(namespace, name)}, where)
        if about and i == 0:  # templates have no place for it, and it is the same for all
            definition = found["function"]
            definition["description"] = f"{about}\n{definition['description']}".strip()
        yield found, (namespace, name)


def _function(tool: Json, at: str) -> Json:
    if "function" in tool and "name" not in tool:
        raise InvalidParameter(
            f"{at} has the form of chat completions. In the Responses API, 'name' and "
            "'parameters' are fields of the tool itself.",
            param=f"{at}.function",
        )
    callers = tool.get("allowed_callers")
    if isinstance(callers, list) and callers and "direct" not in callers:
        raise UnsupportedRequestFields(
            f"{at} may only be called by programs, which the server does not run.",
            param=f"{at}.allowed_callers",
        )
    return function(
        tool.get("name"),
        tool.get("description"),
        tool.get("parameters"),
        tool.get("strict"),
        at,
    )


def _shown(tool: Json) -> Json:
    if tool["type"] == "namespace":
        members = [_shown(member) for member in tool.get("tools") or []]
        about = tool.get("description") or ""
        return {**_named(tool, "namespace"), "description": about, "tools": members}
    return {
        **_named(tool, "function"),
        "description": tool.get("description"),
        "parameters": tool.get("parameters"),
        "strict": tool.get("strict"),
    }


def _named(tool: Json, kind: str) -> Json:
    return {"type": kind, "name": tool["name"]}


def _choice(
    value: Any,
) -> tuple[Literal["auto", "none", "required"], str | list[str] | None, Any]:
    """Return the mode of a choice, the names that it has, and its form in a reply."""
    if value is None:
        return "auto", None, "auto"
    if isinstance(value, str) and value in _MODES:
        return _MODES[value], None, value
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "function":
        name = _name(value)
        return "required", name, {"type": "function", "name": name}
    if kind == "allowed_tools":
        mode = value.get("mode", "auto")
        tools = value.get("tools")
        if mode not in ("auto", "required") or not isinstance(tools, list) or not tools:
            raise wrong_value("tool_choice", _CHOICES, value, is_choice=True)
        names = [_name(tool) for tool in tools]
        shown = [{"type": "function", "name": name} for name in names]
        return mode, names, {"type": "allowed_tools", "mode": mode, "tools": shown}
    if isinstance(kind, str):
        raise UnsupportedRequestFields(
            f"'tool_choice' is a tool of the type {quoted(kind)}, which local models do not have.",
            param="tool_choice",
        )
    raise wrong_value("tool_choice", _CHOICES, value, is_choice=True)


def _name(value: Any) -> str:
    if not isinstance(value, dict):
        raise wrong_value("tool_choice", _CHOICES, value, is_choice=True)
    kind = value.get("type")
    if kind != "function" and isinstance(kind, str):
        raise UnsupportedRequestFields(
            f"'tool_choice' has a tool of the type {quoted(kind)}, which local models do not have.",
            param="tool_choice",
        )
    name = value.get("name")
    if not isinstance(name, str):
        raise wrong_value("tool_choice", _CHOICES, value, is_choice=True)
    return joined(optional_string(value, "namespace", "tool_choice"), name)
