"""Read OpenAI's ``tool_choice``: whether a model has to call a function."""

from __future__ import annotations

from typing import Any, Literal

from ...contract.types import ToolChoice
from ..fields import wrong_value
from .functions import chosen

#: Words for the modes of a choice: OpenAI's, and ``any`` of other APIs.
_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}

_CHOICES = (
    "'auto', 'none', 'required', {'type': 'function', 'function': {'name': ...}}, or "
    "{'type': 'allowed_tools', 'allowed_tools': {'mode': ..., 'tools': [...]}}"
)


def read_choice(
    value: Any, functions: list[dict[str, Any]], param: str
) -> tuple[list[dict[str, Any]], ToolChoice]:
    """Read the choice among the functions, and return the functions that remain.

    Raises
    ------
    InvalidParameter
        If `value` is malformed, or names a function that is not defined.
    """
    names: str | list[str] | None = None
    given = value
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "allowed_tools":
        nested = value.get("allowed_tools")
        allowed = nested if isinstance(nested, dict) else value
        names = _allowed(allowed.get("tools"))
        if names is None:
            raise wrong_value(param, _CHOICES, given, is_choice=True)
        value = allowed.get("mode", "auto")
    elif isinstance(kind, str) and kind in _MODES:
        value = kind
    if value is None:
        return chosen(functions, "auto", names, param)
    if isinstance(value, str) and value in _MODES:
        return chosen(functions, _MODES[value], names, param)
    if kind in (None, "function") and isinstance(value, dict):
        name = _name_in(value)
        if isinstance(name, str):
            return chosen(functions, "required", name, param)
    raise wrong_value(param, _CHOICES, given, is_choice=True)


def _allowed(tools: Any) -> list[str] | None:
    names = [_name_in(tool) for tool in tools] if isinstance(tools, list) else []
    return names if names and all(isinstance(name, str) for name in names) else None


def _name_in(value: Any) -> Any:
    """Return the name in ``{"function": {"name": ...}}``, ``{"name": ...}`` or a plain name."""
    if not isinstance(value, dict):
        return value
    nested = value.get("function", value)
    return nested.get("name") if isinstance(nested, dict) else None
