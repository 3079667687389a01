"""JSON schemas that llama.cpp's converter keeps, and those that it would silently ignore."""

from __future__ import annotations

from typing import Any

INTEGER = {"type": "integer"}
CAT = {"properties": {"kind": {"const": "cat"}}, "required": ["kind"], "type": "object"}
DOG = {"properties": {"kind": {"const": "dog"}}, "required": ["kind"], "type": "object"}

#: What the converter ignores, and the keyword that the message names.
IGNORED: list[tuple[dict[str, Any], str]] = [
    ({"type": "integer", "minimum": 1, "maximum": 5}, "maximum"),
    ({"type": "number", "exclusiveMinimum": 0}, "exclusiveMinimum"),
    ({"type": "integer", "multipleOf": 7}, "multipleOf"),
    ({"type": "object", "required": ["zz"], "additionalProperties": False}, "required"),
    ({"type": "object", "properties": {"a": INTEGER}, "minProperties": 1}, "minProperties"),
    ({"type": "object", "properties": {"a": INTEGER}, "allOf": [CAT]}, "allOf"),
    ({"type": "object", "patternProperties": {"^a$": INTEGER}}, "patternProperties"),
    ({"type": "object", "propertyNames": {"maxLength": 2}}, "propertyNames"),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    ({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]}, "allOf"),
    ({"allOf": [{"$ref": "#/$defs/a"}, CAT], "$defs": {"a": INTEGER}}, "allOf"),
    ({"allOf": [{"$ref": "#/$defs/a"}, CAT], "$defs": {"a": DOG}}, "allOf"),
    ({"oneOf": [INTEGER, {"type": "number"}]}, "oneOf"),
    ({"oneOf": [CAT, DOG]}, "oneOf"),
    ({"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 3}}, "items"),
    ({"type": "array", "prefixItems": [INTEGER], "minItems": 2}, "minItems"),
    ({"type": "array", "items": INTEGER, "uniqueItems": True}, "uniqueItems"),
    ({"type": "array", "contains": INTEGER}, "contains"),
    ({"type": "string", "format": "email"}, "format"),
    ({"type": "string", "format": "date", "maxLength": 5}, "maxLength"),
    ({"type": "string", "pattern": "^a*$", "maxLength": 5}, "maxLength"),
    ({"minLength": 5}, "minLength"),
    ({"enum": ["a", "abcd"], "minLength": 3}, "minLength"),
    ({"type": "string", "const": 5}, "type"),
    ({"type": ["integer", "null"], "enum": [1, "a"]}, "type"),
    ({"type": "integer", "enum": [True]}, "type"),
    ({"type": ["string", "null"], "maxLength": 3}, "maxLength"),
    ({"type": "string", "not": {"const": "a"}}, "not"),
    ({"if": INTEGER, "then": INTEGER}, "if"),
    ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": INTEGER}}, "minimum"),
    ({"anyOf": [INTEGER], "minimum": 3}, "minimum"),
    *(
        ({"type": "string", "pattern": pattern}, "pattern")
        for pattern in (
            "a",
            "^a$|^b$",
            "^a|b$",
            '^"$',
            r"^\"$",
            r"^\\$",
            "^\t$",
            "^.{2}$",
            "^[^a]$",
            '^["]$',
            r"^\bword$",
            r"^(a)\1$",
            r"^\p{L}$",
            "^[\t]$",
        )
    ),
]

KEPT: list[dict[str, Any]] = [
    {"title": "Any", "description": "x", "default": 1},
    {"type": "object", "properties": {"a": True, "b": {"title": "B"}}, "required": ["a"]},
    {"type": "object", "properties": {"": {"const": 2}, 'a"b\\': {"const": 2}, "root": INTEGER}},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "object", "additionalProperties": True},
    {"type": "array", "prefixItems": [INTEGER, INTEGER], "minItems": 2, "maxItems": 2},
    {"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 3, "uniqueItems": False},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "password"},
    {"type": ["integer", "null"]},
    {"type": "string", "enum": ["a", "b"]},
    {"allOf": [{"$ref": "#/$defs/a"}], "default": 3, "$defs": {"a": {"enum": [1, 2]}}},
    {"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"b": INTEGER}}], "$defs": {"a": DOG}},
    {"oneOf": [{"const": 1}, {"const": 2}]},
    {"oneOf": [{"type": "string"}, {"type": "null"}]},
    {
        "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
        "discriminator": {"propertyName": "kind"},
        "$defs": {"a": CAT, "b": DOG},
    },
    *(
        {"type": "string", "pattern": pattern}
        for pattern in (
            r"^\d{4}-\d{2}$",
            r"^v\d+\.\d+(\.\d+)?$",
            r"^[\w-]+@[\w]+\.com$",
            r"^(a|b){1,3}$",
            "^é+$",
            r"^\(\d\)$",
        )
    ),
]
