"""Refuse what llama-cpp-python's schema converter ignores, because an answer might not keep it.

The converter looks at a subschema in a fixed order: a reference, a union, a list of types,
constants, an object, an array, a string, a plain type. It ignores all keywords beside those of the
first that matches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...contract.text import quoted
from ..schema import unsupported

#: Keywords that constrain a value (JSON Schema 2020-12, validation and applicators). Others are
#: annotations, such as `title`, or unknown, which a validator ignores as well.
_CONSTRAINTS = frozenset(
    """
    type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength
    pattern format maxItems minItems uniqueItems contains maxContains minContains maxProperties
    minProperties required dependentRequired dependentSchemas dependencies prefixItems items
    additionalItems unevaluatedItems properties patternProperties additionalProperties propertyNames
    unevaluatedProperties allOf anyOf oneOf not if then else $ref $dynamicRef $recursiveRef
    """.split()  # noqa: SIM905
)

#: Formats that the converter has rules for, and formats that do not restrict a string.
_FORMATS = re.compile(r"date|time|date-time|uuid[1-5]?")
_HINTS = frozenset(("password", "binary", "byte", "path", "file-path", "directory-path"))

#: The parts of patterns that the converter translates rightly, between ``^`` and ``$``. It does not
#: escape what JSON escapes, and applies the anchors to the first and the last alternative only.
_CHARACTER = r"[A-Za-z0-9 _\-:;,@#%&=<>!~'/]|[^\x00-\x7f]|\\[\[\]()|{}*+?]"
_CLASS = r"\[(?:[A-Za-z0-9 _:;,@#%&=<>!~'/.+*?()|{}$-]|[^\x00-\x7f])+\]"
_QUANTIFIER = r"[*+?]|\{\d*,?\d*\}"
_PATTERN = re.compile(rf"(?:{_CHARACTER}|{_CLASS}|{_QUANTIFIER}|\(|\)|\|)*")

#: Classes of characters, and what they match within ASCII and without escapes in JSON.
_CLASSES = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": " ", r"\.": ".", r"\-": "-", r"\/": "/"}
_PATTERN_PART = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|.", re.DOTALL)

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
    "integer": (int,),
    "number": (int, float),
}


def check_keywords(schema: Mapping[str, Any], resolve: Callable[[str], Any]) -> None:
    """Check one subschema, without those in it.

    Parameters
    ----------
    resolve : callable
        Returns the target of a reference.

    Raises
    ------
    InvalidParameter
        If the converter would ignore a keyword that constrains the answer. The message names it.
    """
    used = constraints(schema)
    if schema.get("format") in _HINTS:
        used.discard("format")
    if schema.get("uniqueItems") is False:
        used.discard("uniqueItems")
    ignored = sorted(used - _honoured(schema, used, resolve))
    if ignored:
        names = ", ".join(map(quoted, ignored))
        raise unsupported(f"uses {names} in a way that GGUF models cannot be held to")


def constraints(schema: Mapping[str, Any]) -> set[str]:
    """Return the keywords of a subschema that constrain a value."""
    return set(schema.keys() & _CONSTRAINTS)


def _honoured(schema: Mapping[str, Any], used: set[str], resolve: Callable[[str], Any]) -> set[str]:
    """Return the keywords that the converter honours in this subschema."""
    type_ = schema.get("type")
    if "$ref" in used:
        return {"$ref"}
    if "oneOf" in used:
        return {"oneOf"} if _exclusive(schema) else set()
    if "anyOf" in used:
        return {"anyOf"}
    for name in ("const", "enum"):
        if name in used:
            values = schema[name] if name == "enum" else [schema[name]]
            return {name, "type"} if "type" not in used or _have_type(values, type_) else {name}
    return {"type"} if isinstance(type_, list) else _of_type(type_, schema, used, resolve)


def _of_type(
    type_: Any, schema: Mapping[str, Any], used: set[str], resolve: Callable[[str], Any]
) -> set[str]:
    if type_ in (None, "object") and used & {"properties", "additionalProperties", "required"}:
        return _of_object(schema)
    if "allOf" in used:
        return {"allOf"} if _is_merged(schema["allOf"], resolve) else set()
    if type_ in (None, "array") and used & {"items", "prefixItems"}:
        return _of_array(schema)
    if type_ in (None, "string") and "pattern" in used:
        return {"type", "pattern"} if _is_translated(schema["pattern"]) else {"type"}
    if type_ in (None, "string") and _FORMATS.fullmatch(str(schema.get("format"))):
        return {"type", "format"}
    if type_ == "string":
        return {"type", "minLength", "maxLength"}
    return {"type"}


def _of_object(schema: Mapping[str, Any]) -> set[str]:
    honoured = {"type", "properties", "additionalProperties"}
    required, properties = schema.get("required", []), schema.get("properties", {})
    if isinstance(required, list) and isinstance(properties, dict) and {*required} <= {*properties}:
        honoured.add("required")
    return honoured


def _of_array(schema: Mapping[str, Any]) -> set[str]:
    if not isinstance(schema.get("prefixItems"), list):
        return {"type", "items", "minItems", "maxItems"}
    honoured = {"type", "prefixItems"}
    count = len(schema["prefixItems"])
    if schema.get("items") in (None, False):
        honoured.add("items")
    if schema.get("minItems", count) <= count <= schema.get("maxItems", count):
        honoured |= {"minItems", "maxItems"}
    return honoured


def _is_merged(parts: Any, resolve: Callable[[str], Any]) -> bool:
    """Whether an `allOf` has one part, or only objects with different properties.

    The converter collects the properties of all parts, and makes them required.
    """
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return False
    if len(parts) == 1:
        return True
    names: list[str] = []
    for part in parts:
        target = resolve(part["$ref"]) if "$ref" in part else part
        if not isinstance(target, dict) or not isinstance(target.get("properties"), dict):
            return False
        if not constraints(target) <= {"type", "properties", "required"}:
            return False
        names += target["properties"]
    return len(names) == len(set(names))


def _is_translated(pattern: Any) -> bool:
    if not isinstance(pattern, str) or not (pattern.startswith("^") and pattern.endswith("$")):
        return False
    inner = without_classes(pattern)[1:-1]
    depth = 0
    for match in re.finditer(r"\\.|[()|]", inner):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == "|" and depth == 0:
            return False
    return _PATTERN.fullmatch(inner) is not None


def without_classes(pattern: str) -> str:
    """Return a pattern with ranges of characters instead of ``\\d``, ``\\w`` and similar."""

    def replace(match: re.Match[str]) -> str:
        part = match[0]
        if part.startswith("["):
            return re.sub(r"\\.", lambda m: _CLASSES.get(m[0], m[0]), part)
        return f"[{_CLASSES[part]}]" if part in _CLASSES else part

    return _PATTERN_PART.sub(replace, pattern)


def _have_type(values: Any, type_: Any) -> bool:
    """Whether all values have a type of the subschema, so that it says nothing more."""
    names = type_ if isinstance(type_, list) else [type_]
    allowed = tuple(t for name in names for t in _PYTHON_TYPES.get(str(name), ()))
    return isinstance(values, list) and all(
        isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
        for value in values
    )


def _exclusive(schema: Mapping[str, Any]) -> bool:
    """Whether no value can match two alternatives, so that `oneOf` means the same as `anyOf`.

    A `discriminator`, as OpenAPI and Pydantic write it, names a property with different constants.
    """
    alternatives = schema["oneOf"]
    if "discriminator" in schema:
        return True
    if not isinstance(alternatives, list) or not all(isinstance(a, dict) for a in alternatives):
        return False
    for name in ("const", "type"):
        values = [json.dumps(a[name]) for a in alternatives if name in a]
        values = [v.replace("integer", "number") for v in values]
        if len(set(values)) == len(alternatives):
            return True
    return False
