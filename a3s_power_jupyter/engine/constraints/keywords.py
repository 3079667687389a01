"""Which keywords of JSON Schema can be kept in answers, and which constrain nothing."""

from __future__ import annotations

import math
from typing import Any

from ...contract.text import quoted
from .numbers import BOUNDS, check_constant
from .problems import CannotConstrain

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")

#: Keywords whose value is a list of schemas.
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")

#: Keywords whose value is a schema for each of several names.
MAPS = ("properties", "patternProperties")

#: Keywords that combine schemas for the same value.
COMBINING = ("allOf", "anyOf", "oneOf", "$ref")

#: Keywords of all drafts that constrain values and that no grammar is made of.
_NOT_KEPT = frozenset(
    """
    not if then else dependentRequired dependentSchemas dependencies contains minContains
    maxContains uniqueItems unevaluatedItems unevaluatedProperties propertyNames $dynamicRef
    $recursiveRef
    """.split()  # noqa: SIM905
)

#: Values with which these keywords constrain nothing.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "uniqueItems": (False,),
    "unevaluatedItems": (True, {}),
    "unevaluatedProperties": (True, {}),
    "propertyNames": (True, {}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "dependencies": ({},),
    "not": (False,),
}

_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")

#: Keywords that grammars keep.
KEPT = frozenset(
    (*LISTS, *MAPS, *COMBINING, *_COUNTS, *BOUNDS, "multipleOf", "type", "const", "enum", "items")
) | {"required", "additionalItems", "additionalProperties", "pattern", "format"}

#: Most items of an array, because each takes memory in the grammar. Lengths have no limit.
MAX_ITEMS = 100_000

#: Most properties of an object.
MAX_PROPERTIES = 1000


def constrains(name: str) -> bool:
    """Return whether a keyword constrains values."""
    return name in KEPT or name in _NOT_KEPT


def check_kept(name: str, value: Any, path: str) -> None:
    """Raise `CannotConstrain` if a keyword constrains values, but cannot be kept."""
    if name in _NOT_KEPT and value not in _WITHOUT_EFFECT.get(name, ()):
        raise CannotConstrain(
            f"The keyword {name!r} of JSON Schema is not supported in constraints. Remove it from "
            f"the schema at {path}, and check it in the answer.",
            path,
        )


def check_value(name: str, value: Any, path: str) -> Any:
    """Return the value of a keyword without subschemas.

    Raises
    ------
    CannotConstrain
        If the value has the wrong type, or cannot be represented.
    """
    if name in _COUNTS:
        return _count(name, value, path)
    if name in (*BOUNDS, "multipleOf"):
        _check_bound(name, value, path)
    elif name == "type":
        _check_type(value, path)
    elif name == "required":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong(name, "a list of strings", path)
    elif name == "enum" and (not isinstance(value, list) or not value):
        raise wrong(name, "a list of at least one value", path)
    else:
        check_literal(value, path)
    return value


def wrong(name: str, expected: str, path: str) -> CannotConstrain:
    """Return the error for a keyword with a value of the wrong type."""
    return CannotConstrain(f"{name!r} must be {expected}, in the JSON schema at {path}.", path)


def check_literal(value: Any, path: str) -> None:
    """Check the numbers in a constant."""
    values = [value]
    while values:
        item = values.pop()
        if isinstance(item, dict):
            values += item.values()
        elif isinstance(item, list):
            values += item
        elif type(item) in (int, float):
            _check_finite(item, path)
            check_constant(item, path)


def _check_finite(value: Any, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise CannotConstrain(f"{value} is not a number of JSON, at {path}.", path)


def _check_bound(name: str, value: Any, path: str) -> None:
    if isinstance(value, bool) and name.startswith("exclusive"):
        return  # as in draft 4
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(name, "a number", path)
    if name == "multipleOf" and value <= 0:
        raise wrong(name, "a number above 0", path)
    _check_finite(value, path)


def _count(name: str, value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise wrong(name, "an integer", path)
    if value < 0:
        raise wrong(name, "at least 0", path)
    if name.endswith("Items") and value > MAX_ITEMS:
        raise CannotConstrain(
            f"{name!r} is {quoted(value)}; at most {MAX_ITEMS:,} is possible, at {path}.", path
        )
    if name.endswith("Length") and value >= 2**32:
        return 2**32 - 1 if name == "maxLength" else _too_long(value, path)
    return int(value)


def _too_long(value: float, path: str) -> int:
    raise CannotConstrain(f"No answer has {quoted(value)} characters, at {path}.", path)


def _check_type(value: Any, path: str) -> None:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if name not in TYPES:
            raise wrong("type", "one of " + ", ".join(TYPES) + " or a list of these", path)
    if not names:
        raise wrong("type", "a type or a list of at least one", path)
