"""Tools in the form that templates read."""

from __future__ import annotations

from typing import Any

Tool = dict[str, Any]
Schema = dict[str, Any]

_TYPES = ("string", "number", "integer", "boolean", "array", "object")

#: Most references and levels of a schema that `simplified` follows.
MAX_DEPTH = 16


def plain(tool: Tool) -> Tool:
    """Return a tool with the keys that templates read, in the order of OpenAI's documentation."""
    function = tool["function"]
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {}
    if "$ref" not in parameters:
        parameters = {"type": "object", "properties": {}, **parameters}
    return {
        "type": "function",
        "function": {
            "name": function["name"],
            "description": function.get("description") or "",
            "parameters": parameters,
        },
    }


def simplified(tool: Tool) -> Tool:
    """Return a tool with a schema that any template can describe.

    Many templates know only the simplest schemas: each has one type and a description, arrays have
    items, and there are no references, alternatives or nulls.
    """
    function = tool["function"]
    parameters = _simple(function["parameters"], function["parameters"], 0)
    if parameters["type"] != "object":
        parameters = {"type": "object", "description": "", "properties": {}}
    return {**tool, "function": {**function, "parameters": parameters}}


def _simple(schema: Any, root: Schema, depth: int) -> Schema:
    schema = _resolved(schema, root, depth)
    kind = _type_of(schema)
    simple: Schema = {"type": kind, "description": str(schema.get("description") or "")}
    if isinstance(schema.get("enum"), list):
        simple["enum"] = [value for value in schema["enum"] if value is not None]
    if "default" in schema and schema["default"] is not None:
        simple["default"] = schema["default"]
    if depth < MAX_DEPTH and kind == "array":
        simple["items"] = _simple(schema.get("items"), root, depth + 1)
    if kind == "object":
        properties = schema.get("properties") if depth < MAX_DEPTH else None
        properties = properties if isinstance(properties, dict) else {}
        simple["properties"] = {
            name: _simple(property_, root, depth + 1) for name, property_ in properties.items()
        }
        required = schema.get("required")
        simple["required"] = required if isinstance(required, list) else []
    return simple


def _resolved(schema: Any, root: Schema, depth: int) -> Schema:
    """Follow references, and take the first alternative that is not null."""
    for _ in range(MAX_DEPTH - depth):
        if not isinstance(schema, dict):
            return {}
        rest = {key: value for key, value in schema.items() if key not in _INDIRECT}
        if isinstance(schema.get("$ref"), str):
            target = _target(schema["$ref"], root)
        else:
            options = next((schema[k] for k in _CHOICES if isinstance(schema.get(k), list)), None)
            if options is None:
                return schema
            target = next((o for o in options if isinstance(o, dict) and _allows_more(o)), {})
        schema = {**target, **rest} if isinstance(target, dict) else rest
    return schema if isinstance(schema, dict) else {}


_CHOICES = ("anyOf", "oneOf", "allOf")
_INDIRECT = ("$ref", *_CHOICES)


def _target(reference: str, root: Schema) -> Any:
    """Return the schema that a reference within the document points to."""
    found: Any = root
    for name in reference.removeprefix("#").split("/")[1:]:
        found = (
            found.get(name.replace("~1", "/").replace("~0", "~"), {})
            if isinstance(found, dict)
            else {}
        )
    return found


def _allows_more(schema: Schema) -> bool:
    """Whether a schema allows more than null."""
    return schema.get("type") != "null"


def _type_of(schema: Schema) -> str:
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind in _TYPES:
            return str(kind)
    for key, kind in (("properties", "object"), ("items", "array")):
        if key in schema:
            return kind
    values = schema.get("enum") if isinstance(schema.get("enum"), list) else [schema.get("const")]
    for value in values or []:
        for type_, kind in (
            (str, "string"),
            (bool, "boolean"),
            (int, "integer"),
            (float, "number"),
        ):
            if isinstance(value, type_):
                return kind
    return "string"
