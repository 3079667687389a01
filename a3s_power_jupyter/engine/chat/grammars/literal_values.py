"""Grammars of values as literals of Python, or with quotes of a model's own."""

from __future__ import annotations

import json
import re
from typing import Any

from ..writing import literal
from .lark import Lark, either, sequence
from .schemas import OPTIONS, Parameters, Schema, literals_of, types_of

_STRING = {"type": "string"}
_ANY_NAME = r"/[A-Za-z_][A-Za-z0-9_]{0,50}/"

#: Keywords that are kept in lists and objects.
_KEPT = frozenset(
    "type items minItems maxItems properties required additionalProperties".split()  # noqa: SIM905
)


class LiteralValues:
    """Writes the grammars of the values of one tool.

    Parameters
    ----------
    quote : str
        The text around strings. If it is empty, the values are literals of Python; if not, the keys
        of objects have no quotes.
    """

    def __init__(self, lark: Lark, parameters: Parameters, quote: str = "") -> None:
        self._lark = lark
        self._parameters = parameters
        self._quote = quote
        self._names: dict[str, str] = {}

    def value(self, schema: Schema, path: str) -> str:
        """Return the expression of a value.

        Raises
        ------
        InvalidParameter
            If a keyword of the schema cannot be kept.
        """
        schema = {key: value for key, value in schema.items() if key not in OPTIONS}
        if not self._quote and self._is_same_in_json(schema):
            return self._lark.json(self._parameters.whole(schema))
        if not schema:
            return self._any()
        if schema.keys() == {"$ref"}:
            return self._definition(schema["$ref"], path)
        if schema.keys() == {"anyOf"}:
            return either(self.value(part, path) for part in schema["anyOf"])
        if schema.keys() == {"allOf"} and len(schema["allOf"]) == 1:
            return self.value(schema["allOf"][0], path)
        values = literals_of(schema)
        if values is not None and schema.keys() <= {"const", "enum", "type"}:
            if self._quote and self._quote in str(values):
                raise self._parameters.refused(f"a value of 'enum' has quotes, at {path}", path)
            return either(self._lark.text(literal(value, self._quote)) for value in values)
        return either(self._of_type(type_, schema, path) for type_ in types_of(schema))

    def properties(
        self,
        properties: dict[str, Schema],
        required: list[str],
        path: str,
        between: str = ",",
        key_end: str = ":",
    ) -> str:
        """Return the expression of the entries of an object, or the arguments of a call."""
        entries = []
        for key, schema in properties.items():
            allowed = not self._quote or re.fullmatch(r"[\w.\-]+", key) is not None
            self._parameters.check_key(key, allowed=allowed, path=f"{path}/properties/{key}")
            value = self.value(schema, f"{path}/properties/{key}")
            parts = (self._lark.text(self._key(key) if key_end == ":" else key),)
            text = sequence([*parts, self._lark.text(key_end), self._space(), value])
            entries.append((text, key in required))
        return joined(self._lark, entries, sequence([self._lark.text(between), self._space()]))

    # ------------------------------------------------------------ types

    def _of_type(self, type_: str, schema: Schema, path: str) -> str:
        lark = self._lark
        if type_ == "null":
            return lark.text(literal(None, self._quote))
        if type_ == "boolean":
            return either(lark.text(literal(value, self._quote)) for value in (True, False))
        if type_ in ("integer", "number"):
            return lark.json(self._parameters.whole({**schema, "type": type_}))
        if type_ == "string":
            return self._string(schema, path)
        unknown = schema.keys() - _KEPT
        if unknown:
            name = min(unknown)
            raise self._parameters.refused(
                f"the keyword {name!r} is not supported in this model's syntax of calls, at "
                f"{path}", f"{path}/{name}"
            )  # fmt: skip
        return self._list(schema, path) if type_ == "array" else self._object(schema, path)

    def _string(self, schema: Schema, path: str) -> str:
        kept = ("pattern", "minLength", "maxLength", "format")
        schema = {key: value for key, value in schema.items() if key in kept}
        if not self._quote:
            return self._lark.json(self._parameters.whole({**schema, "type": "string"}))
        from .raw_values import RawValues

        raw = RawValues(self._lark, self._parameters)
        kinds = raw.kinds({**schema, "type": "string"}, path)
        text = either(raw.strings(kinds, self._quote, path))
        return sequence([self._lark.text(self._quote), text])

    def _list(self, schema: Schema, path: str) -> str:
        item = self.value(schema.get("items", {}), f"{path}/items")
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if most == 0:
            return sequence(['"["', '"]"'])
        comma = sequence(['","', self._space()])
        times = f"{{{max(least - 1, 0)},{'' if most is None else most - 1}}}"
        inner = f"{item} ({comma} {item}){times}"
        return sequence(['"["', inner if least else f"({inner})?", '"]"'])

    def _object(self, schema: Schema, path: str) -> str:
        more = schema.get("additionalProperties", {})
        if "properties" in schema:
            properties, required = self._parameters.properties(schema, path)
            return sequence(['"{"', self.properties(properties, required, path), '"}"'])
        if schema.get("required"):
            raise self._parameters.refused(
                f"a required property is not in 'properties', at {path}", f"{path}/required"
            )
        if more is False:
            return sequence(['"{"', '"}"'])
        entry = sequence([self._any_key(), '":"', self._space(), self.value(more, path)])
        comma = sequence(['","', self._space()])
        return sequence(['"{"', f"({entry} ({comma} {entry})*)?", '"}"'])

    def _definition(self, reference: str, path: str) -> str:
        """Return the rule of a definition, which may refer to itself."""
        if reference not in self._names:
            self._names[reference] = name = self._lark.reserve()
            target = self._parameters.options["$defs"][reference.rpartition("/")[2]]
            self._lark.define(name, self.value(target, path))
        return self._names[reference]

    def _any(self) -> str:
        """Return the rule of any value."""
        if "" not in self._names:
            self._names[""] = name = self._lark.reserve()
            types = ("string", "number", "boolean", "null", "array", "object")
            self._lark.define(name, either(self._of_type(type_, {}, "") for type_ in types))
        return self._names[""]

    # ------------------------------------------------------------ texts

    def _key(self, key: str) -> str:
        return key if self._quote else json.dumps(key, ensure_ascii=False)

    def _any_key(self) -> str:
        if self._quote:
            return self._lark.terminal(_ANY_NAME)
        return self._lark.json(self._parameters.whole(_STRING))

    def _space(self) -> str:
        return "" if self._quote else self._lark.space()

    def _is_same_in_json(self, schema: Schema) -> bool:
        """Whether all values are written in the same way in Python and in JSON."""
        return _has_no_words(schema, self._parameters, set())


def _has_no_words(schema: Any, parameters: Parameters, seen: set[str]) -> bool:
    """Whether no value of a schema has true, false or null in it."""
    if not isinstance(schema, dict) or not schema:
        return False
    if "$ref" in schema:
        if schema["$ref"] in seen:
            return True
        seen.add(schema["$ref"])
        target = parameters.options["$defs"][schema["$ref"].rpartition("/")[2]]
        return len(schema) == 1 and _has_no_words(target, parameters, seen)
    values = literals_of(schema)
    if values is not None:
        return all(isinstance(v, (str, int, float)) and not isinstance(v, bool) for v in values)
    for name in ("anyOf", "allOf"):
        if name in schema:
            return all(_has_no_words(part, parameters, seen) for part in schema[name])
    types = set(types_of(schema))
    if types <= {"string", "integer", "number"}:
        return True
    if types == {"array"}:
        return "prefixItems" not in schema and _has_no_words(schema.get("items"), parameters, seen)
    if types == {"object"} and schema.get("additionalProperties") is False:
        parts = schema.get("properties", {}).values()
        return all(_has_no_words(part, parameters, seen) for part in parts)
    return False


def joined(lark: Lark, entries: list[tuple[str, bool]], between: str) -> str:
    """Return the expression of entries in their order, some of which may be left out.

    Parameters
    ----------
    entries : list of tuple
        The expression of each entry, and whether it is required.
    between : str
        The expression between two entries.
    """
    if not between:
        return sequence(text if required else f"({text})?" for text, required in entries)
    # The rules of what follows the first i entries: after none of them, and after at least one.
    empty, begun = '""', '""'
    for text, required in reversed(entries):
        rest = "" if begun == '""' else begun
        after = sequence([between, text, rest])
        first = sequence([text, rest])
        begun = lark.rule(after if required else f"{after} | {begun}")
        empty = lark.rule(first if required else f"{first} | {empty}")
    return "" if empty == '""' else empty
