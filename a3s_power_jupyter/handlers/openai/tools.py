"""Read the functions that a model may call, and whether it has to call one.

Both forms of OpenAI's API are read: ``tools`` with ``tool_choice``, and the older ``functions``
with ``function_call``.
"""

from __future__ import annotations

from typing import Any

from ...contract.errors import InvalidParameter
from ..chat.chat_request import Tools
from ..chat.functions import distinct, function, listed, parallel_calls, unsupported_tool
from ..chat.tool_choice import read_choice
from ..fields import wrong_value
from .fields import ChatFields


class OpenAITools(Tools, frozen=True):
    """The functions of a request.

    Attributes
    ----------
    legacy : bool
        Whether the request has ``functions``, and its reply ``function_call``.
    """

    legacy: bool = False


def read_tools(fields: ChatFields) -> OpenAITools:
    """Read the functions of a chat. Without functions, the choice among them means nothing.

    Raises
    ------
    UnsupportedRequestFields
        If a tool is not a function.
    InvalidParameter
        If a function or the choice is malformed, a name is used twice, or the choice is of a
        function that is not defined.
    """
    if fields.tools and fields.functions:
        raise InvalidParameter(
            "A request has either 'tools' or 'functions', not both.", param="functions"
        )
    if fields.functions:
        functions = _legacy_functions(fields.functions)
        functions, choice = read_choice(fields.function_call, functions, "function_call")
        return OpenAITools(functions, choice, parallel=False, legacy=True)
    functions = _functions(fields.tools)
    if not functions:
        return OpenAITools()
    functions, choice = read_choice(fields.tool_choice, functions, "tool_choice")
    return OpenAITools(functions, choice, parallel_calls(fields.parallel_tool_calls, choice))


# ---------------------------------------------------------------- definitions


def _functions(tools: Any) -> list[dict[str, Any]]:
    found = enumerate(listed(tools, "tools"))
    return distinct([_function(tool, f"tools[{i}]") for i, tool in found], "tools")


def _legacy_functions(functions: Any) -> list[dict[str, Any]]:
    found = enumerate(listed(functions, "functions"))
    return distinct([_definition(value, f"functions[{i}]") for i, value in found], "functions")


def _function(tool: Any, at: str) -> dict[str, Any]:
    """Read a tool. As in OpenAI's API of responses, it may be without the object ``function``."""
    if not isinstance(tool, dict):
        raise wrong_value(at, "an object", tool)
    kind = tool.get("type") or "function"
    if kind != "function":
        raise unsupported_tool(kind, at)
    if "function" not in tool and "name" in tool and tool.get("type") == "function":
        return _definition(tool, at)
    return _definition(tool.get("function"), f"{at}.function")


def _definition(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_value(at, "an object with a 'name'", value)
    return function(
        value.get("name"),
        value.get("description"),
        value.get("parameters"),
        value.get("strict"),
        at,
    )
