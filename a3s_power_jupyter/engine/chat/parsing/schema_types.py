"""Tell from a JSON schema which types a value may have."""

from __future__ import annotations

from typing import Any

ALL_TYPES = frozenset({"string", "number", "boolean", "null", "object", "array"})

#: Most references to follow, because a schema may refer to itself.
_MAX_DEPTH = 16

_OF_VALUE: dict[type, str] = {
    str: "string", bool: "boolean", int: "number", float: "number", dict: "object",
}  # fmt: skip


def property_types(schema: Any, key: str) -> frozenset[str]:
    """Return the types that a property of an object may have."""
    return _types(_property(schema, key), schema, 0)


def property_names(schema: Any) -> list[str]:
    """Return the names of an object's properties, in their order."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties) if isinstance(properties, dict) else []


def _property(schema: Any, key: str) -> Any:
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and key in properties:
        return properties[key]
    return schema.get("additionalProperties", True)


def _types(schema: Any, root: Any, depth: int) -> frozenset[str]:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return ALL_TYPES
    types = _own_types(schema)
    if isinstance(reference := schema.get("$ref"), str):
        types &= _types(_resolved(root, reference), root, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(keyword), list):
            types &= frozenset[str]().union(*(_types(o, root, depth + 1) for o in options))
    if isinstance(parts := schema.get("allOf"), list):
        for part in parts:
            types &= _types(part, root, depth + 1)
    return types


def _own_types(schema: dict[str, Any]) -> frozenset[str]:
    """Return the types that the schema's own keywords allow."""
    types = ALL_TYPES
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        types &= {"number" if name == "integer" else name for name in named}
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        types &= set(map(type_of, values))
    return types


def type_of(value: Any) -> str:
    """Return the type of a JSON value; integers are numbers."""
    return "null" if value is None else _OF_VALUE.get(type(value), "array")


def _resolved(root: Any, reference: str) -> Any:
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name, True) if isinstance(found, dict) else True
    return found
