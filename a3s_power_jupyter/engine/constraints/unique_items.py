"""Arrays of different items, of which a grammar can only list all.

Pydantic writes ``uniqueItems`` for a set. A set of the values of an enum is listed in every order,
because a model that has begun with the second value could not add the first one otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, permutations
from typing import Any

#: Most values of such an array: there are 1,957 arrays of up to six.
MAX_VALUES = 6

_TYPES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}

#: Keywords of the array, and of its items, besides those that constrain nothing.
_OF_ARRAY = {"type", "items", "uniqueItems", "minItems", "maxItems"}
_OF_ITEMS = {"type", "enum", "const"}


def with_arrays_listed(
    node: dict[str, Any], resolve: Callable[[Any], Any], constrains: Callable[[str], bool]
) -> dict[str, Any]:
    """Return a schema without ``uniqueItems``, if it has few arrays or none of two items.

    Parameters
    ----------
    resolve : callable
        Follows the reference of a schema.
    constrains : callable
        Whether a keyword constrains values.
    """
    if node.get("uniqueItems") is not True:
        return node
    if node.get("maxItems") in (0, 1) and node.get("type") == "array":
        return {name: value for name, value in node.items() if name != "uniqueItems"}
    items = resolve(node.get("items"))
    names = {name for name in node if constrains(name)}
    if node.get("type") != "array" or names - _OF_ARRAY or not isinstance(items, dict):
        return node
    values = None if {name for name in items if constrains(name)} - _OF_ITEMS else _values(items)
    least, most = node.get("minItems", 0), node.get("maxItems", MAX_VALUES)
    if values is None or type(least) is not int or type(most) is not int:
        return node
    counts = range(max(0, least), min(most, len(values)) + 1)
    arrays = [*map(list, chain.from_iterable(permutations(values, n) for n in counts))]
    rest = {name: value for name, value in node.items() if name not in _OF_ARRAY}
    return {**rest, "enum": arrays} if arrays else node


def _values(items: dict[str, Any]) -> list[Any] | None:
    """Return the values that items may have, or None if there are many or unusual ones."""
    kind = items.get("type")
    values: Any = items.get("enum", [False, True] if kind == "boolean" else None)
    if "const" in items:
        values = [items["const"]]
    if not isinstance(values, list) or ("const" in items and "enum" in items):
        return None
    if any(type(value) not in _TYPES for value in values) or not isinstance(kind, str | None):
        return None
    if kind is not None and any(_TYPES[type(value)] != kind for value in values):
        return None
    distinct = {(type(value), value): value for value in values}
    return [*distinct.values()] if 0 < len(distinct) <= MAX_VALUES else None
