"""Read the prepared schemas of a tool's parameters."""

from __future__ import annotations

from typing import Any

from ....contract.errors import InvalidParameter
from ....contract.text import quoted
from ...constraints.objects import adds_no_property
from ...constraints.problems import CannotConstrain
from ...constraints.schemas import prepared

Schema = dict[str, Any]

#: Keywords of an object that can be written argument by argument.
_OF_OBJECTS = frozenset({"type", "properties", "required", "additionalProperties"})

#: Keywords that are no part of a schema.
OPTIONS = ("$defs", "x-guidance")

_SCALARS = ("string", "integer", "number", "boolean", "null")


class Parameters:
    """The schema of the arguments of one tool.

    Parameters
    ----------
    tool : dict
        The tool, as in OpenAI's API.
    index : int
        Its place among the tools of the request.

    Raises
    ------
    InvalidParameter
        If a keyword of the schema cannot be kept.
    """

    def __init__(self, tool: dict[str, Any], index: int) -> None:
        function = tool["function"]
        self.name: str = function["name"]
        self._param = f"tools[{index}].function.parameters"
        schema = function.get("parameters", True)
        if schema in (True, {}):
            schema = {"type": "object", "properties": {}}
        if not isinstance(schema, dict) or schema.get("type", "object") != "object":
            raise self.refused("the schema of its parameters must have the type 'object'", "")
        if not schema.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
            schema = {**schema, "type": "object"}
        try:
            self.schema: Schema = prepared(schema)
        except CannotConstrain as error:
            raise self._error(error.message, error.path) from None
        self.options: Schema = {key: self.schema[key] for key in OPTIONS if key in self.schema}

    def refused(self, problem: str, path: str) -> InvalidParameter:
        """Return the error for a part of the schema that cannot be kept."""
        return self._error(f"{problem[0].upper()}{problem[1:]}. Use a simpler schema.", path)

    def _error(self, message: str, path: str) -> InvalidParameter:
        return InvalidParameter(
            f"Calls of {quoted(self.name)} cannot be constrained to its parameters. {message}",
            param=f"{self._param}#{path}" if path else self._param,
        )

    def whole(self, schema: Schema) -> Schema:
        """Return a subschema with the definitions and options that it needs."""
        return {**schema, **self.options}

    def resolved(self, schema: Schema) -> Schema:
        """Follow references, if the keywords beside them only say that the value is an object."""
        seen: list[str] = []
        while True:
            kept = [key for key in schema if key not in OPTIONS]
            refers = [key for key in kept if not adds_no_property(key, schema[key])] == ["$ref"]
            if refers and schema["$ref"] not in seen:
                seen.append(schema["$ref"])
                target = self.options["$defs"][schema["$ref"].rpartition("/")[2]]
                if len(kept) > 1 and target.get("type") != "object":
                    return schema
                schema = target
            elif kept == ["allOf"] and len(schema["allOf"]) == 1:
                schema = schema["allOf"][0]
            else:
                return schema

    def check_key(self, key: str, *, allowed: bool, path: str) -> None:
        """Raise `InvalidParameter` if a key cannot be written in the model's syntax."""
        if not allowed:
            raise self.refused(
                f"the name of the property {quoted(key)} cannot be written in this model's syntax "
                "of calls", path
            )  # fmt: skip

    def properties(self, schema: Schema, path: str = "") -> tuple[dict[str, Schema], list[str]]:
        """Return the properties of an object, and the names of those that it requires.

        Raises
        ------
        InvalidParameter
            If the object has other keywords, or requires a property that it does not list.
        """
        schema = self.resolved(schema)
        for key in schema:
            if key not in _OF_OBJECTS and key not in OPTIONS:
                raise self.refused(
                    f"the keyword {key!r} is not supported in this model's syntax of calls, at "
                    f"{path or 'the top'}", f"{path}/{key}"
                )  # fmt: skip
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        missing = [name for name in required if name not in properties]
        if missing:
            raise self.refused(
                f"the required property {quoted(missing[0])} is not in 'properties'",
                f"{path}/required",
            )
        return properties, required


def types_of(schema: Schema) -> list[str]:
    """Return the types that a schema names, or all."""
    type_ = schema.get("type", [*_SCALARS, "array", "object"])
    return [type_] if isinstance(type_, str) else list(type_)


def literals_of(schema: Schema) -> list[Any] | None:
    """Return the values of `const` or `enum` that have a type of the schema, or None."""
    if "const" in schema:
        values = [schema["const"]]
    elif "enum" in schema:
        values = schema["enum"]
    else:
        return None
    types = types_of(schema)
    return [value for value in values if _type_of(value) & set(types)]


def _type_of(value: Any) -> set[str]:
    if value is None or isinstance(value, bool):
        return {"null" if value is None else "boolean"}
    if isinstance(value, (int, float)):
        return {"number", "integer"} if float(value).is_integer() else {"number"}
    if isinstance(value, str):
        return {"string"}
    return {"array" if isinstance(value, list) else "object"}
