"""Read the tools that a model may use, and whether it has to use one."""

from __future__ import annotations

from typing import Any, Literal

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted
from ..chat.chat_request import Tools
from ..chat.functions import chosen, distinct, function, listed, parallel_calls
from ..fields import wrong_value
from .fields import Choice, MessageFields

#: Anthropic's types of a choice as modes of `ToolChoice`.
_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "any": "required",
    "tool": "required",
    "none": "none",
}


def read_tools(fields: MessageFields) -> Tools:
    """Read the tools of a request. Without tools, the choice among them means nothing.

    Raises
    ------
    UnsupportedRequestFields
        If a tool is one that Anthropic defines.
    InvalidParameter
        If a tool or the choice is malformed, a name is used twice, or the choice is of a tool that
        is not defined.
    """
    tools = enumerate(listed(fields.tools, "tools"))
    functions = distinct([_function(tool, f"tools[{i}]") for i, tool in tools], "tools")
    if not functions:
        return Tools()
    choice = fields.tool_choice or Choice("auto")
    if choice.type == "tool" and choice.name is None:
        raise InvalidParameter("'tool_choice.name' is missing.", param="tool_choice.name")
    name = choice.name if choice.type == "tool" else None
    functions, wanted = chosen(functions, _MODES[choice.type], name, "tool_choice.name")
    alone = choice.disable_parallel_tool_use
    return Tools(functions, wanted, parallel_calls(None if alone is None else not alone, wanted))


def _function(tool: Any, at: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise wrong_value(at, "an object", tool)
    nested = "function" in tool and "name" not in tool
    kind = tool.get("type") or ("function" if nested else "custom")
    if kind != "custom":
        name = f" ({quoted(tool['name'])})" if tool.get("name") else ""
        fault = f"is a tool of the type {quoted(kind)}, which local models do not have"
        if kind == "function":
            fault = "has the form of OpenAI's API"
        raise UnsupportedRequestFields(
            f"{at}{name} {fault}. Define a tool with 'name', 'description' and 'input_schema', or "
            "remove it.",
            param=f"{at}.type",
        )
    return function(
        tool.get("name"),
        tool.get("description"),
        tool.get("input_schema"),
        tool.get("strict"),
        at,
        schema="input_schema",
    )
