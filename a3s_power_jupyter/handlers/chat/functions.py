"""The functions that a model may call, and whether it has to call one."""

from __future__ import annotations

import re
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from ...contract.errors import BadRequest, InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted, shortened
from ...contract.types import ToolChoice
from ..fields import wrong_value
from .numbers import check_numbers

#: Most functions in one request. OpenAI allows 128.
MAX_TOOLS = 1024

#: Names of functions. OpenAI allows 64 characters and no dot; those of MCP servers can be longer.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def listed(value: Any, param: str) -> list[Any]:
    """Return a list of at most `MAX_TOOLS` tools; null is an empty one.

    Raises
    ------
    InvalidParameter
        If `value` is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise wrong_value(param, f"a list of at most {MAX_TOOLS:,}", value)
    return value


def function(
    name: Any, description: Any, parameters: Any, strict: Any, at: str, schema: str = "parameters"
) -> dict[str, Any]:
    """Check the definition of a function, and return it as in `ChatRequest.tools`.

    Parameters
    ----------
    name, description, parameters, strict : object
        Decoded JSON; null for what is not given.
    at : str
        Path of the definition in the request.
    schema : str
        What the dialect calls the field of `parameters`.

    Raises
    ------
    InvalidParameter
        If one of them is malformed.
    """
    if description is not None and not isinstance(description, str):
        raise wrong_value(f"{at}.description", "a string", description)
    definition: dict[str, Any] = {
        "name": check_name(name, f"{at}.name"),
        "description": description or "",
        "parameters": _parameters(parameters, f"{at}.{schema}"),
    }
    if strict is not None:
        if not isinstance(strict, bool):
            raise wrong_value(f"{at}.strict", "true or false", strict)
        definition["strict"] = strict
    return {"type": "function", "function": definition}


def unsupported_tool(kind: Any, at: str) -> BadRequest:
    """Return the error about a tool that is not a function, but of the type `kind`, if any."""
    if kind is None:
        return InvalidParameter(f"'{at}.type' is missing. Use 'function'.", param=f"{at}.type")
    return UnsupportedRequestFields(
        f"{at} is a tool of the type {quoted(kind)}, which local models do not have. Define a "
        "tool of the type 'function', or remove it.",
        param=f"{at}.type",
    )


def check_name(name: Any, at: str) -> str:
    """Return the name of a function, or raise `InvalidParameter`."""
    if name is None:
        raise InvalidParameter(f"{at!r} is missing.", param=at)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"{quoted(name)} in {at} is not the name of a function. Use 1 to 128 letters (a-z), "
            "digits, '_', '-' and '.'.",
            param=at,
        )
    return name


def _parameters(schema: Any, at: str) -> dict[str, Any]:
    """Return the schema of the arguments, which are always an object."""
    if schema is None or schema == {}:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if not isinstance(schema, dict):
        raise wrong_value(at, "a JSON schema of an object", schema)
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
        raise wrong_value(
            f"{at}.properties", "an object with a schema for each argument", properties
        )
    return {**known, "type": "object", "properties": properties}


def distinct(functions: list[dict[str, Any]], param: str) -> list[dict[str, Any]]:
    """Return `functions`, or raise `InvalidParameter` if two have the same name."""
    seen: set[str] = set()
    for tool in functions:
        name = name_of(tool)
        if name in seen:
            raise InvalidParameter(
                f"Two functions have the name {quoted(name)}. Give each one its own name.",
                param=param,
            )
        seen.add(name)
    return functions


def name_of(tool: dict[str, Any]) -> str:
    """Return the name of a function of `ChatRequest.tools`."""
    return str(tool["function"]["name"])


def chosen(
    functions: list[dict[str, Any]],
    mode: Literal["auto", "none", "required"],
    names: str | list[str] | None,
    param: str,
) -> tuple[list[dict[str, Any]], ToolChoice]:
    """Return the functions that remain after a choice, and the choice.

    Parameters
    ----------
    functions : list of dict
        As in `ChatRequest.tools`.
    mode : str
        With ``"none"``, the functions remain for the calls of the history.
    names : str, list of str or None
        The one function to call, with the mode ``"required"``; or the only ones that remain; or
        None for all.
    param : str
        The field of the choice.

    Raises
    ------
    InvalidParameter
        If a name is not one of a function.
    """
    if isinstance(names, str):
        _only([names], functions, param)
        return functions, ToolChoice(mode, names)
    if names is not None:
        functions = _only(names, functions, param)
    return functions, ToolChoice(mode)


def _only(names: list[str], functions: list[dict[str, Any]], param: str) -> list[dict[str, Any]]:
    """Return the functions with some names, all of which must be defined."""
    known = {name_of(tool): tool for tool in functions}
    for name in names:
        if name not in known:
            defined = shortened(", ".join(map(repr, known)))
            raise InvalidParameter(
                f"{param!r} names the function {quoted(name)}, which is not defined. Defined: "
                f"{defined}.",
                param=param,
            )
    return [tool for name, tool in known.items() if name in names]


def parallel_calls(given: bool | UnsetType | None, choice: ToolChoice) -> bool:
    """Return whether an answer may have several calls. `given` is what the request says."""
    if given is UNSET or given is None:
        # A model that has to call does not decide to stop, and small ones repeat the same call.
        return choice.mode != "required"
    return given
