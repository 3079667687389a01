"""Read the functions that a model may call, and whether it has to call one.

Both forms of OpenAI's API are read: ``tools`` with ``tool_choice``, and the older ``functions``
with ``function_call``.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted, shortened
from ...contract.types import ToolChoice
from .fields import ChatFields
from .numbers import check_numbers

#: Most functions in one request. OpenAI allows 128.
MAX_TOOLS = 1024

#: Names of functions. OpenAI allows 64 characters and no dot; those of MCP servers can be longer.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")

#: Words for the modes of a choice: OpenAI's, and ``any`` of other APIs.
_MODES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}

_CHOICES = (
    "'auto', 'none', 'required', {'type': 'function', 'function': {'name': ...}}, or "
    "{'type': 'allowed_tools', 'allowed_tools': {'mode': ..., 'tools': [...]}}"
)


class Tools(msgspec.Struct, frozen=True):
    """The functions of a request.

    Attributes
    ----------
    functions : list of dict
        As in `ChatRequest.tools`. Empty if the model must not call any.
    choice : ToolChoice
        As in `ChatRequest.tool_choice`.
    parallel : bool
        As in `ChatRequest.parallel_tool_calls`.
    legacy : bool
        Whether the request has ``functions``, and its reply ``function_call``.
    """

    functions: list[dict[str, Any]] = []
    choice: ToolChoice = msgspec.field(default_factory=ToolChoice)
    parallel: bool = True
    legacy: bool = False


def read_tools(fields: ChatFields) -> Tools:
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
        functions, choice = _choose(fields.function_call, functions, "function_call")
        return Tools(functions, choice, parallel=False, legacy=True)
    functions = _functions(fields.tools)
    if not functions:
        return Tools()
    functions, choice = _choose(fields.tool_choice, functions, "tool_choice")
    parallel = fields.parallel_tool_calls
    if parallel is UNSET:
        # A model that has to call does not decide to stop, and small ones repeat the same call.
        parallel = choice.mode != "required"
    return Tools(functions, choice, parallel)


def check_name(name: Any, at: str) -> str:
    """Return the name of a function, or raise `InvalidParameter`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"{quoted(name)} in {at} is not the name of a function. Use 1 to 128 letters (a-z), "
            "digits, '_', '-' and '.'.",
            param=at,
        )
    return name


# ---------------------------------------------------------------- definitions


def _functions(tools: Any) -> list[dict[str, Any]]:
    listed = enumerate(_list(tools, "tools"))
    return _distinct([_function(tool, f"tools[{i}]") for i, tool in listed], "tools")


def _legacy_functions(functions: Any) -> list[dict[str, Any]]:
    listed = enumerate(_list(functions, "functions"))
    return _distinct([_definition(value, f"functions[{i}]") for i, value in listed], "functions")


def _list(value: Any, param: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise InvalidParameter(f"{param!r} must be a list of at most {MAX_TOOLS:,}.", param=param)
    return value


def _function(tool: Any, at: str) -> dict[str, Any]:
    """Read a tool. As in OpenAI's API of responses, it may be without the object ``function``."""
    if not isinstance(tool, dict):
        raise InvalidParameter(f"{at} must be an object.", param=at)
    kind = tool.get("type") or "function"
    if kind != "function":
        raise UnsupportedRequestFields(
            f"{at} is a tool of the type {quoted(kind)}, which local models do not have. Define a "
            "tool of the type 'function', or remove it.",
            param=f"{at}.type",
        )
    if "function" not in tool and "name" in tool and tool.get("type") == "function":
        return _definition(tool, at)
    return _definition(tool.get("function"), f"{at}.function")


def _definition(value: Any, at: str) -> dict[str, Any]:
    """Check the definition of a function, and return it as a tool."""
    if not isinstance(value, dict):
        raise InvalidParameter(f"{at} must be an object with a 'name'.", param=at)
    description = value.get("description")
    if description is not None and not isinstance(description, str):
        raise InvalidParameter(f"{at}.description must be a string.", param=f"{at}.description")
    function: dict[str, Any] = {
        "name": check_name(value.get("name"), f"{at}.name"),
        "description": description or "",
        "parameters": _parameters(value.get("parameters"), f"{at}.parameters"),
    }
    strict = value.get("strict")
    if strict is not None:
        if not isinstance(strict, bool):
            raise InvalidParameter(f"{at}.strict must be true or false.", param=f"{at}.strict")
        function["strict"] = strict
    return {"type": "function", "function": function}


def _parameters(schema: Any, at: str) -> dict[str, Any]:
    """Return the schema of the arguments, which are always an object."""
    if schema is None or schema == {}:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if not isinstance(schema, dict):
        raise InvalidParameter(f"{at} must be a JSON schema of an object.", param=at)
    kinds = schema.get("type") or "object"
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise InvalidParameter(
            f"{at}.type must be 'object', because the arguments of a function have names, not "
            f"{quoted(kinds)}.",
            param=f"{at}.type",
        )
    check_numbers(schema, at)
    known = {keyword: value for keyword, value in schema.items() if value is not None}
    properties = known.get("properties", {})
    if not isinstance(properties, dict):
        raise InvalidParameter(
            f"{at}.properties must be an object with a schema for each argument.",
            param=f"{at}.properties",
        )
    return {**known, "type": "object", "properties": properties}


def _distinct(functions: list[dict[str, Any]], param: str) -> list[dict[str, Any]]:
    seen: set[str] = set()
    for function in functions:
        name = _name(function)
        if name in seen:
            raise InvalidParameter(
                f"Two functions have the name {quoted(name)}. Give each one its own name.",
                param=param,
            )
        seen.add(name)
    return functions


def _name(function: dict[str, Any]) -> str:
    return str(function["function"]["name"])


# ---------------------------------------------------------------- choice


def _choose(
    value: Any, functions: list[dict[str, Any]], param: str
) -> tuple[list[dict[str, Any]], ToolChoice]:
    """Read the choice among the functions, and return the functions that remain."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "allowed_tools":
        nested = value.get("allowed_tools")
        allowed = nested if isinstance(nested, dict) else value
        functions = _only(allowed.get("tools"), functions, param)
        value = allowed.get("mode", "auto")
    elif isinstance(kind, str) and kind in _MODES:
        value = kind
    choice = _choice(value, param)
    if choice.mode == "none":
        return [], choice
    if choice.name is not None:
        _only([choice.name], functions, param)
    return functions, choice


def _choice(value: Any, param: str) -> ToolChoice:
    if value is None:
        return ToolChoice()
    if isinstance(value, str) and value in _MODES:
        return ToolChoice(_MODES[value])  # type: ignore[arg-type]
    if isinstance(value, dict) and value.get("type", "function") == "function":
        name = _name_in(value)
        if isinstance(name, str):
            return ToolChoice("required", name)
    raise InvalidParameter(f"{param!r} must be {_CHOICES}.", param=param)


def _name_in(value: Any) -> Any:
    """Return the name in ``{"function": {"name": ...}}``, ``{"name": ...}`` or a plain name."""
    if not isinstance(value, dict):
        return value
    function = value.get("function", value)
    return function.get("name") if isinstance(function, dict) else None


def _only(names: Any, functions: list[dict[str, Any]], param: str) -> list[dict[str, Any]]:
    """Return the functions with some names, all of which must be defined."""
    if not isinstance(names, list) or not names:
        raise InvalidParameter(f"{param!r} must be {_CHOICES}.", param=param)
    known = {_name(function): function for function in functions}
    wanted = [_name_in(name) for name in names]
    for name in wanted:
        if not isinstance(name, str) or name not in known:
            listed = shortened(", ".join(map(repr, known)))
            raise InvalidParameter(
                f"{param!r} names the function {quoted(name)}, which is not defined. Defined: "
                f"{listed}.",
                param=param,
            )
    return [function for name, function in known.items() if name in wanted]
