"""Which properties an object gets, and how many."""

from __future__ import annotations

from typing import Any

from .keywords import COMBINING
from .problems import CannotConstrain

#: Keywords beside which the properties of an object may not be all that it needs.
_NEVER_CLOSED = (*COMBINING, "patternProperties", "const", "enum")


def names_in(value: Any) -> set[str]:
    """Return the names in a list, which may be malformed."""
    items = value if isinstance(value, list) else [value]
    return {item for item in items if isinstance(item, str)}


def adds_no_property(name: str, value: Any) -> bool:
    """Whether a keyword allows and requires no property of an object."""
    return (name == "type" and value == "object") or (name == "properties" and value == {})


def can_be_closed(node: Any) -> bool:
    """Whether an object needs no other properties than those it lists."""
    if not isinstance(node, dict) or not isinstance(node.get("properties"), dict):
        return False
    if any(name in node for name in _NEVER_CLOSED):
        return False
    if node.get("minProperties", 0) not in (0, 1):
        return False
    return names_in(node.get("required")) <= set(node["properties"]) and node.get(
        "additionalProperties"
    ) in (None, False)


def check_counts(result: dict[str, Any], path: str) -> None:
    """Leave out numbers of properties that are always kept, and refuse those that cannot be."""
    properties, required = result.get("properties", {}), result.get("required", ())
    closed = result.get("additionalProperties") is False and "patternProperties" not in result
    if result.get("minProperties", 0) <= len(set(required)):
        result.pop("minProperties", None)
    if closed and result.get("maxProperties", 0) >= len(properties):
        result.pop("maxProperties", None)
    least, most = result.get("minProperties"), result.get("maxProperties")
    optional = set(properties) - set(required)
    if least is not None and least > len(set(required)) + 1:
        raise CannotConstrain(
            "'minProperties' can be at most one more than the number of required properties, "
            f"because names may be repeated, at {path}/minProperties.",
            f"{path}/minProperties",
        )
    possible = closed and not required and (least or 0) <= 1 and most in (None, 1)
    if optional and (least, most) != (None, None) and not possible:
        name = "minProperties" if most is None else "maxProperties"
        raise CannotConstrain(
            f"{name!r} is not supported beside optional properties. Make them required, or "
            f"leave it out, at {path}/{name}.",
            f"{path}/{name}",
        )
