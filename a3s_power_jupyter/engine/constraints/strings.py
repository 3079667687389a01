"""Rewrite the patterns and formats of strings."""

from __future__ import annotations

from typing import Any

from ...contract.text import quoted
from .formats import HINTS, INTEGERS, KNOWN, PATTERNS
from .keywords import wrong
from .patterns import translate
from .problems import CannotConstrain


def pattern_of(value: Any, path: str) -> str:
    """Return a pattern in the syntax of llguidance, or raise `CannotConstrain`."""
    if not isinstance(value, str):
        raise wrong("pattern", "a string", path)
    try:
        return translate(value)
    except CannotConstrain as error:
        raise CannotConstrain(f"{error.message[:-1]}, at {path}.", path) from None


def add_pattern(result: dict[str, Any], pattern: str) -> None:
    """Add a pattern to a subschema that may have one."""
    if "pattern" in result:
        add(result, "allOf", [{"pattern": pattern}])
    else:
        result["pattern"] = pattern


def add_format(node: dict[str, Any], value: Any, path: str, result: dict[str, Any]) -> None:
    """Add what a `format` means to a subschema.

    Raises
    ------
    CannotConstrain
        If the format is not known.
    """
    type_ = node.get("type", "string")
    if not isinstance(value, str):
        raise wrong("format", "a string", path)
    if value in INTEGERS and type_ == "integer":
        low, high = INTEGERS[value]
        add(result, "allOf", [{"minimum": low, "maximum": high}])
    elif value in HINTS or value in INTEGERS:
        return
    elif isinstance(type_, str) and type_ != "string":
        return  # formats apply to strings only
    elif value in PATTERNS:
        add_pattern(result, f"^(?:{PATTERNS[value]})$")
    elif value in KNOWN:
        result["format"] = KNOWN[value]
    else:
        names = ", ".join(sorted({*PATTERNS, *KNOWN}))
        raise CannotConstrain(
            f"The format {quoted(value)} is not supported. Use one of {names}, or remove "
            f"'format' at {path}.",
            path,
        )


def add(result: dict[str, Any], name: str, parts: list[Any]) -> None:
    """Add subschemas that apply as well as those that are there."""
    if name == "anyOf" and name in result:
        add(result, "allOf", [{name: parts}])
    else:
        result[name] = [*result.get(name, ()), *parts]
