"""JSON schemas as people's code sends them, one or more of each kind."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TREE: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name", "left"],
}


def _shape(name: str, side: str) -> Schema:
    """Return a schema as Pydantic writes it for a member of a tagged union."""
    return {
        "type": "object",
        "title": name,
        "properties": {
            "kind": {"const": name, "default": name, "title": "Kind", "type": "string"},
            side: {"exclusiveMinimum": 0, "maximum": 10, "title": side, "type": "number"},
        },
        "required": [side],
    }


def _string(**keywords: Any) -> Schema:
    return {"type": "string", **keywords}


ANSWER_SCHEMAS: dict[str, Schema | bool] = {
    "anything": True,
    "no keyword": {},
    "a title only": {"title": "Anything"},
    "a property of any kind": {
        "type": "object", "properties": {"value": {}, "other": {"title": "Other"}},
        "required": ["value"],
    },
    "a list without items": {"type": "array", "maxItems": 3},
    "a recursive root": _TREE,
    "a recursive definition": {"$ref": "#/$defs/Tree", "$defs": {"Tree": {
        "type": "object", "properties": {"children": {"type": "array", "maxItems": 2,
        "items": {"$ref": "#/$defs/Tree"}}}, "required": ["children"]}}},
    "a list or null": {"type": ["array", "null"], "items": {"type": "integer"}, "maxItems": 4},
    "a nullable enum": {"enum": ["red", "green", None]},
    "a nullable string": {"anyOf": [_string(maxLength=10), {"type": "null"}], "default": None},
    "allOf with one reference": {
        "type": "object", "required": ["color"], "$defs": {"Color": {"enum": ["red", "blue"]}},
        "properties": {"color": {"allOf": [{"$ref": "#/$defs/Color"}], "default": "red"}},
    },
    "allOf of two objects": {"allOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"properties": {"b": {"type": "boolean"}}, "required": ["b"], "maxProperties": 2},
    ]},
    "bounds of an integer": {"type": "integer", "minimum": -5, "maximum": 130},
    "exclusive bounds of an integer": {"type": "integer", "exclusiveMinimum": 0,
                                       "exclusiveMaximum": 3},
    "bounds of a number": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.25},
    "a multiple": {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 700},
    "an unanchored pattern": _string(pattern=r"\d[aeiou]", maxLength=12),
    "a pattern with classes": _string(pattern=r"^\w{2,5}-\d{3}(?:\.\d)?$"),
    "a pattern with an alternative": _string(pattern="^yes$|^no$"),
    "an address": _string(format="email"),
    "a link": _string(format="uri", maxLength=40),
    "a time": _string(format="date-time"),
    "a date": _string(format="date"),
    "an id": _string(format="uuid"),
    "a network address": {"anyOf": [_string(format="ipv4"), _string(format="ipv6")]},
    "a length of 2,000": {"type": "array", "items": _string(maxLength=2000), "maxItems": 2},
    "a length of a million": _string(maxLength=1_000_000),
    "a short text": _string(minLength=3, maxLength=6),
    "strange constants": {
        "enum": ['a "quoted" \\ text', "line\nbreak\ttab", "😀 café", "\u0001\u007f"],
    },
    "strange names": {
        "type": "object", "required": ['a"b', "c\\d", "e f\n", "ключ 😀"],
        "properties": {name: {"type": "boolean"} for name in ('a"b', "c\\d", "e f\n", "ключ 😀")},
    },
    "definitions named like rules": {
        "type": "object", "required": ["value", "date"],
        "properties": {"value": {"$ref": "#/$defs/value"}, "date": {"$ref": "#/$defs/date"}},
        "$defs": {"value": {"type": "integer", "maximum": 99}, "date": {"type": "boolean"}},
    },
    "keywords in another order": {
        "required": ["b"], "additionalProperties": False, "properties": {"b": {"maximum": 3,
        "minimum": 1, "type": "integer"}, "a": {"type": "null"}}, "type": "object",
    },
    "names of any kind": {
        "type": "object", "additionalProperties": {"type": "integer", "maximum": 99},
        "maxProperties": 3,
    },
    "a tagged union": {
        "oneOf": [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}],
        "discriminator": {"propertyName": "kind"},
        "$defs": {"Circle": _shape("circle", "radius"), "Square": _shape("square", "side")},
    },
    "large numbers": {"enum": [2**53, -(2**40), 1e18, 0.1, 123456.789]},
    "a tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}],
                "minItems": 2, "maxItems": 2},
}  # fmt: skip
