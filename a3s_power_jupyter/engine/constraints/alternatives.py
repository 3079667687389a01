"""Decide whether the alternatives of ``oneOf`` exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from .keywords import COMBINING, TYPES
from .objects import names_in

Resolve = Callable[[Any], Any]


def tag_of(alternatives: list[Any]) -> str | None:
    """Return a property whose values tell all alternatives apart, or None.

    It may be optional; the alternatives exclude each other once it is required.

    Parameters
    ----------
    alternatives : list
        Schemas without references at their top.
    """
    if not all(isinstance(a, dict) and a.get("type") == "object" for a in alternatives):
        return None
    names: dict[str, None] = dict.fromkeys(_properties(alternatives[0]))
    for name in names:
        parts = [_properties(alternative).get(name) for alternative in alternatives]
        values = [_literals(part) for part in parts]
        if None in values:
            continue
        if all(not set(a or ()) & set(b or ()) for a, b in combinations(values, 2)):
            return name
    return None


def exclude_each_other(
    alternatives: list[Any], resolve: Resolve, is_closed: Callable[[Any], bool]
) -> bool:
    """Whether no value that is written for one alternative is valid for another one.

    Parameters
    ----------
    resolve : callable
        Follows the references at the top of a schema.
    is_closed : callable
        Whether only the listed properties of an object are written.
    """
    return all(
        _disjoint(a, b, resolve) or (_lacks(a, b, is_closed) and _lacks(b, a, is_closed))
        for a, b in combinations(alternatives, 2)
    )


def _lacks(written: Any, other: Any, is_closed: Callable[[Any], bool]) -> bool:
    """Whether what is written for one schema lacks a property that the other one requires."""
    if not (isinstance(written, dict) and isinstance(other, dict) and is_closed(written)):
        return False
    if written.get("type") != "object" or other.get("type") != "object":
        return False
    return bool(names_in(other.get("required")) - set(_properties(written)))


def _disjoint(a: Any, b: Any, resolve: Resolve, depth: int = 0) -> bool:
    """Whether no value is valid for both schemas; False if that is not clear."""
    a, b = resolve(a), resolve(b)
    if a is False or b is False:
        return True
    if not isinstance(a, dict) or not isinstance(b, dict) or depth > 3:
        return False
    for one, other in ((a, b), (b, a)):
        for name in ("anyOf", "oneOf"):
            if isinstance(one.get(name), list) and one[name]:
                return all(_disjoint(part, other, resolve, depth + 1) for part in one[name])
    first, second = _literals(a), _literals(b)
    if first is not None and second is not None:
        return not set(first) & set(second)
    if not _types(a) & _types(b):
        return True
    if _types(a) & _types(b) != {"object"} or any(name in a or name in b for name in COMBINING):
        return False
    mine, others = _properties(a), _properties(b)
    required = names_in(a.get("required")) | names_in(b.get("required"))
    return any(
        _disjoint(mine[name], others[name], resolve, depth + 1)
        for name in required
        if name in mine and name in others
    )


def _properties(schema: Any) -> dict[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _literals(schema: Any) -> list[str] | None:
    """Return the only possible values of a schema in a form that can be compared, or None."""
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return [_comparable(schema["const"])]
    values = schema.get("enum")
    return [_comparable(value) for value in values] if isinstance(values, list) else None


def _comparable(value: Any) -> str:
    """Return equal texts for values that JSON Schema treats as equal, such as 1 and 1.0."""
    if isinstance(value, dict):
        inner = ",".join(f"{key!r}:{_comparable(value[key])}" for key in sorted(value))
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_comparable, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value)


def _types(schema: dict[str, Any]) -> set[str]:
    literals = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(literals, list):
        return {_type_of(value) for value in literals}
    names = names_in(schema.get("type", [*TYPES]))
    return {"number" if name == "integer" else name for name in names}


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return "null" if value is None else kinds.get(type(value), "object")
