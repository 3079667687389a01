"""Tools in the form that templates read."""

from __future__ import annotations

from typing import Any

Tool = dict[str, Any]
Schema = dict[str, Any]

_TYPES = ("string", "number", "integer", "boolean", "array", "object")


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
    items, and there are no references, alternatives or nulls. Such a schema says less, but only
    what the prompt says about arguments depends on it.
    """
    function = tool["function"]
    parameters = _Simplifier(function["parameters"]).simple(function["parameters"])
    if parameters["type"] != "object":
        parameters = {"type": "object", "description": "", "properties": {}, "required": []}
    parameters.pop("additionalProperties", None)
    return {**tool, "function": {**function, "parameters": parameters}}


class _Simplifier:
    """Simplifies a schema and those in it. `references` are those that lead to a schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def simple(self, schema: Any, references: frozenset[str] = frozenset()) -> Schema:
        schema, references = self._resolved(schema, references)
        kind = _type_of(schema)
        simple: Schema = {"type": kind, "description": str(schema.get("description") or "")}
        if isinstance(schema.get("enum"), list):
            simple["enum"] = [value for value in schema["enum"] if value is not None]
        if schema.get("default") is not None:
            simple["default"] = schema["default"]
        if kind == "array":
            simple["items"] = self.simple(schema.get("items"), references)
        if kind == "object":
            properties, required = schema.get("properties"), schema.get("required")
            simple["properties"] = {
                name: self.simple(value, references)
                for name, value in (properties if isinstance(properties, dict) else {}).items()
            }
            simple["required"] = required if isinstance(required, list) else []
            simple["additionalProperties"] = self.simple(
                schema.get("additionalProperties"), references
            )
        return simple

    def _resolved(self, schema: Any, references: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """Follow references, each once, and take the first alternative that is not null."""
        schema = schema if isinstance(schema, dict) else {}
        while True:
            reference = schema.get("$ref")
            choices = [schema[key] for key in _CHOICES if isinstance(schema.get(key), list)]
            rest = {key: value for key, value in schema.items() if key not in ("$ref", *_CHOICES)}
            if isinstance(reference, str) and reference not in references:
                references |= {reference}
                target = _target(reference, self._root)
            elif choices and "$ref" not in schema:
                target = next((option for option in choices[0] if _allows_more(option)), None)
            else:
                return rest, references
            schema = {**target, **rest} if isinstance(target, dict) else rest


_CHOICES = ("anyOf", "oneOf", "allOf")


def _target(reference: str, root: Schema) -> Any:
    """Return the schema that a reference within the document points to."""
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _allows_more(schema: Any) -> bool:
    """Whether a schema allows more than null."""
    return isinstance(schema, dict) and schema.get("type") != "null"


def _type_of(schema: Schema) -> str:
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind in _TYPES:
            return str(kind)
    for key, kind in (("properties", "object"), ("items", "array")):
        if key in schema:
            return kind
    values = schema.get("enum")
    values = values if isinstance(values, list) else [schema.get("const")]
    found = {type(value) for value in values}
    return next((kind for type_, kind in _TYPES_OF_VALUES.items() if type_ in found), "string")


_TYPES_OF_VALUES = {str: "string", bool: "boolean", int: "integer", float: "number"}
