"""Grammars of values in tags: strings as they are, other values as JSON."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from ....contract.text import quoted
from .lark import ANY, Lark, either, sequence
from .schemas import Parameters, Schema, literals_of, types_of

#: What a text begins with that may be read as a value other than a string.
_VALUE = re.compile(r"[\[{\"'(0-9+.\-]|(true|false|null|none)$|$", re.IGNORECASE)

#: Keywords of strings.
_OF_STRINGS = frozenset({"type", "pattern", "minLength", "maxLength", "format"})

#: Keywords of other values. Next to these, a value has one of the other types.
_OF_OTHERS = frozenset(
    """
    type minimum maximum exclusiveMinimum exclusiveMaximum multipleOf items prefixItems minItems
    maxItems additionalItems properties required additionalProperties patternProperties
    minProperties
    """.split()  # noqa: SIM905
)

_LABEL = "[a-z0-9](?:[a-z0-9\\-]{0,30}[a-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{1,4}}"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

#: Patterns of the formats that llguidance knows in JSON only. They match fewer strings.
_FORMATS = {
    "uri": rf"https?:\/\/{_HOST}(?::[1-9][0-9]{{0,3}})?(?:\/[A-Za-z0-9._~\-]{{0,100}}){{0,20}}"
    r"(?:\?[A-Za-z0-9._~=&\-]{0,200})?",
    "hostname": _HOST,
    "ipv4": rf"{_BYTE}(?:\.{_BYTE}){{3}}",
    "ipv6": "[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}",
    "duration": "P(?:[0-9]{1,4}D|[0-9]{1,3}W|T[0-9]{1,4}[HMS]|[0-9]{1,4}DT[0-9]{1,4}[HMS])",
    "uuid": _UUID,
}


class _Kinds(NamedTuple):
    """The alternatives of a value: strings and others."""

    strings: list[Schema]
    others: list[Schema]


class RawValues:
    """Writes the grammars of the values of one tool."""

    def __init__(self, lark: Lark, parameters: Parameters) -> None:
        self._lark = lark
        self._parameters = parameters

    def kinds(self, schema: Schema, path: str) -> _Kinds:
        """Return the alternatives of a value.

        Raises
        ------
        InvalidParameter
            If it is not clear whether a value is a string.
        """
        found = _Kinds([], [])
        self._divide(schema, path, found, 0)
        return found

    def strings(self, kinds: _Kinds, end: str, path: str) -> list[str]:
        """Return the expressions of the alternatives that are strings, and of the text after."""
        first = ""
        if kinds.others:
            first = r"[^\s\[{\"" + ("0-9+.\\-" if _has_numbers(kinds.others) else "") + "]"
        found = []
        for schema in kinds.strings:
            values = literals_of(schema)
            if values is not None:
                mixed = bool(kinds.others)
                found += [self._literal(value, end, path, mixed=mixed) for value in values]
            else:
                found.append(self._lark.until(end, *self._patterns(schema, first, path)))
        return found

    def others(self, kinds: _Kinds, end: str) -> list[str]:
        """Return the expressions of the other alternatives, and of the text after."""
        words: list[str] = []
        schemas: list[Schema] = []
        for schema in kinds.others:
            types = types_of(schema) if "type" in schema else []
            values = literals_of(schema)
            if values is not None:
                words += [json.dumps(value) for value in values]
                continue
            words += ["null"] * ("null" in types) + ["true", "false"] * ("boolean" in types)
            rest = [type_ for type_ in types if type_ not in ("null", "boolean")]
            if rest or not types:
                schemas.append({**schema, "type": rest} if types else schema)
        found = [self._lark.text(word) for word in dict.fromkeys(words)]
        if schemas:
            whole: Schema = {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
            found.append(self._lark.json(self._parameters.whole(whole)))
        return [sequence([either(found), self._lark.text(end)])] if found else []

    # ------------------------------------------------------------ kinds

    def _divide(self, schema: Schema, path: str, found: _Kinds, depth: int) -> None:
        schema = self._parameters.resolved(schema)
        keys = schema.keys() - {"$defs", "x-guidance"}
        if keys == {"anyOf"} and depth < 20:
            for part in schema["anyOf"]:
                self._divide(part, path, found, depth + 1)
        elif keys & {"const", "enum"} and keys <= {"const", "enum", "type"}:
            values = literals_of(schema) or []
            strings = [value for value in values if isinstance(value, str)]
            others = [value for value in values if not isinstance(value, str)]
            found.strings.extend([{"enum": strings}] if strings else [])
            found.others.extend([{"enum": others}] if others else [])
        elif "string" not in types_of(schema):
            found.others.append(schema)
        elif keys <= _OF_STRINGS | _OF_OTHERS:
            found.strings.append({k: v for k, v in schema.items() if k in _OF_STRINGS})
            rest = [type_ for type_ in types_of(schema) if type_ != "string"]
            kept = {k: v for k, v in schema.items() if k in _OF_OTHERS}
            if rest:
                found.others.append({**kept, "type": rest})
        else:
            name = next(iter(keys - _OF_STRINGS - _OF_OTHERS))
            raise self._parameters.refused(
                f"the keyword {name!r} is not supported in this model's syntax of calls, at "
                f"{path}", f"{path}/{name}"
            )  # fmt: skip

    # ------------------------------------------------------------ strings

    def _literal(self, value: str, end: str, path: str, *, mixed: bool) -> str:
        """Return the expression of a constant, which may be mixed with those of other types."""
        unclear = mixed and _VALUE.match(value.strip())
        if end.strip() in value or value != value.strip() or unclear:
            raise self._parameters.refused(
                f"the string {quoted(value)} cannot be told from other values in this model's "
                f"syntax of calls, at {path}", path
            )  # fmt: skip
        space = self._lark.around(end[: len(end) - len(end.lstrip())])
        return sequence([json.dumps(value) if value else "", space, self._lark.text(end.lstrip())])

    def _patterns(self, schema: Schema, first: str, path: str) -> list[str]:
        """Return patterns, all of which match the whole of a string."""
        parts = [f"(?:{first}{ANY})?"] if first else []
        if "pattern" in schema:
            parts.append(self._whole(schema["pattern"], path))
        if "format" in schema:
            parts.append(_FORMATS[schema["format"]])
        if "minLength" in schema or "maxLength" in schema:
            least, most = schema.get("minLength", 0), schema.get("maxLength", "")
            parts.append(f"(?s:.{{{least},{most}}})")
        return parts

    def _whole(self, pattern: str, path: str) -> str:
        """Return the pattern of the whole strings in which a pattern is found."""
        start, end = pattern.startswith("^"), pattern.endswith("$") and pattern[-2:] != r"\$"
        inner = pattern[start : len(pattern) - end]
        anchors = re.sub(r"\\.|\[\^", "", inner)
        if any(anchor in anchors for anchor in "^$") or ((start or end) and _has_choice(inner)):
            raise self._parameters.refused(
                "a pattern with '^' or '$' within it is not supported in this model's syntax of "
                f"calls, at {path}", f"{path}/pattern"
            )  # fmt: skip
        inner = re.sub(r"(?<!\\)/", r"\/", inner)
        return f"{'' if start else ANY}(?:{inner}){'' if end else ANY}"


def _has_choice(pattern: str) -> bool:
    """Whether a pattern has alternatives outside of all groups."""
    depth = 0
    for character in re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            return True
    return False


def _has_numbers(schemas: list[Schema]) -> bool:
    return any({"integer", "number"} & set(types_of(schema)) for schema in schemas)
