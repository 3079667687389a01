"""Convert JSON schemas to llama.cpp's grammars, within limits.

The time that a grammar takes in each step depends on the schema, and llama.cpp cannot be
interrupted, so a schema that may be slow is refused before it is converted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from llama_cpp.llama_grammar import PRIMITIVE_RULES, SchemaConverter

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ..schema import schema_text, unsupported
from .schema_keywords import check_keywords, constraints, without_classes

#: Most subschemas, where a definition counts at each of its uses.
MAX_SUBSCHEMAS = 5000

#: Most alternatives of unions, and optional properties. A step checks the vocabulary against all
#: alternatives of the current position, which takes up to 0.4 ms for each.
MAX_ALTERNATIVES = 500

#: Largest bound of a length or a repetition. llama.cpp rejects rules with more than 2000 parts.
MAX_REPETITIONS = 1000

#: Longest pattern, in characters.
MAX_PATTERN = 1000

#: Longest grammar, in characters.
MAX_GRAMMAR = 2**18

#: Keywords with a bound, and the keyword of the lower bound.
_BOUNDS = {"minItems": "", "maxItems": "minItems", "minLength": "", "maxLength": "minLength"}

# llama-cpp-python's grammar rule for a character in a string allows control characters, which JSON
# forbids (RFC 8259, section 7). Without this fix, models write raw newlines into strings.
_CHARACTER = PRIMITIVE_RULES["char"].content
_STRICT_CHARACTER = _CHARACTER.replace(r'[^"\\]', r'[^"\\\x7F\x00-\x1F]')

_PATTERN_PART = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{[^{}]*\}|.", re.DOTALL)


def to_gbnf(schema: dict[str, Any]) -> str:
    """Return the grammar of a JSON schema.

    Raises
    ------
    InvalidParameter
        If the schema exceeds a limit, or the converter does not support it.
    """
    schema_text(schema)  # checks its length
    try:
        _Limits(schema).check()
        converter = _Converter()
        converter.collect_references(schema)
        converter.visit(schema, "")
        grammar = converter.format_grammar()
    except InvalidParameter:
        raise
    except RecursionError:
        raise unsupported("is nested too deeply, or has too many optional properties") from None
    except Exception as error:  # the converter can raise any exception
        reason = f"{type(error).__name__}: {error}"
        raise unsupported(f"cannot be converted to a grammar: {reason}") from None
    return str(grammar.replace(_CHARACTER, _STRICT_CHARACTER))


class _Limits:
    """Check a schema before it is converted."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._subschemas = 0
        self._alternatives = 0

    def check(self) -> None:
        self._visit(self._schema, frozenset())

    def _visit(self, schema: Any, references: frozenset[str]) -> None:
        """Check a subschema; `references` are those that led to it."""
        if not isinstance(schema, dict):
            return
        self._subschemas += 1
        self._alternatives += _alternatives(schema)
        if self._subschemas > MAX_SUBSCHEMAS:
            raise unsupported(f"has more than {MAX_SUBSCHEMAS:,} subschemas")
        if self._alternatives > MAX_ALTERNATIVES:
            raise unsupported(
                f"has more than {MAX_ALTERNATIVES} alternatives or optional properties"
            )
        check_keywords(schema, lambda reference: _resolve(self._schema, reference))
        for name, lower in _BOUNDS.items():
            _check_bound(schema, name, lower)
        if isinstance(schema.get("pattern"), str):
            _check_pattern(schema["pattern"])
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in references:
            self._visit(_resolve(self._schema, reference), references | {reference})
        for subschema in _subschemas(schema):
            self._visit(subschema, references)


def _resolve(schema: Any, reference: str) -> Any:
    """Return the target of a reference, or None if there is none."""
    if not reference.startswith("#/"):
        return None
    for part in reference.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        schema = schema.get(part) if isinstance(schema, dict) else None
    return schema


def _alternatives(schema: Mapping[str, Any]) -> int:
    """Return the number of alternatives and optional properties of a subschema itself."""
    unions = [schema.get(name) for name in ("anyOf", "oneOf", "type")]
    count = sum(len(union) for union in unions if isinstance(union, list))
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict):
        count += len(properties) - (len(required) if isinstance(required, list) else 0)
    return count


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the direct subschemas that the converter visits."""
    for name in ("items", "prefixItems", "anyOf", "oneOf", "allOf"):
        value = schema.get(name)
        yield from value if isinstance(value, list) else [value]
    properties = schema.get("properties")
    yield from properties.values() if isinstance(properties, dict) else []
    yield schema.get("additionalProperties")


def _check_bound(schema: Mapping[str, Any], name: str, lower: str) -> None:
    value, least = schema.get(name), schema.get(lower, 0)
    if value is None:
        return
    if type(value) is not int or value < 0:
        raise unsupported(f"has a {name} that is not an integer of at least 0")
    if value > MAX_REPETITIONS:
        raise unsupported(f"has a {name} of {value}; at most {MAX_REPETITIONS} is possible")
    if type(least) is int and value < least:
        raise unsupported(f"has a {name} that is less than its {lower}")


def _check_pattern(pattern: str) -> None:
    """Refuse patterns that take llama.cpp or the converter a very long time.

    These are repetitions of something that can be empty, such as ``(a?)*``, and brackets that are
    closed but not opened.
    """
    if len(pattern) > MAX_PATTERN:
        raise unsupported(f"has a pattern of more than {MAX_PATTERN:,} characters")
    starts: list[int] = []
    operand: str | None = None  # what a quantifier would repeat, if it is a group
    repeated = False  # whether the part before is a quantifier
    for match in _PATTERN_PART.finditer(pattern):
        part = match[0]
        group = pattern[starts.pop() : match.start()] if part == ")" and starts else None
        if part == "(":
            starts.append(match.end())
        elif part in ("]", "}", "["):
            raise unsupported(f"has a pattern with a bracket that is not escaped: {part}")
        elif part[0] in "*+?{":
            if any(int(number) > MAX_REPETITIONS for number in re.findall(r"\d{1,9}", part)):
                raise unsupported(f"repeats part of a pattern more than {MAX_REPETITIONS:,} times")
            if repeated or (operand is not None and re.fullmatch(operand, "")):
                raise unsupported(f"repeats part of a pattern that can be empty: {part}")
        operand, repeated = group, part[0] in "*+?{"


class _Converter(SchemaConverter):  # type: ignore[misc]
    """llama-cpp-python's converter, with some corrections.

    It escapes backslashes in literals, finds references beside definitions, accepts `true` and
    subschemas without constraints, and writes an enumeration as a tree, in which llama.cpp has few
    alternatives to follow. Rules are numbered, because names from the schema can be those of other
    rules. The grammar's size is limited.
    """

    def __init__(self) -> None:
        super().__init__(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        self._size = 0
        self._visited = 0
        self._rules_of_references: dict[str, str] = {}

    def collect_references(self, schema: dict[str, Any]) -> None:
        """Record the targets of all references, which the base class looks up."""
        nodes: list[Any] = [schema]
        while nodes:
            node = nodes.pop()
            values = node.values() if isinstance(node, dict) else node
            nodes += [value for value in values if isinstance(value, (dict, list))]
            reference = node.get("$ref") if isinstance(node, dict) else None
            if isinstance(reference, str):
                self._refs[reference] = _resolve(schema, reference)

    def _resolve_ref(self, reference: str) -> str:
        if self._refs.get(reference) is None:
            raise unsupported(f"has an unsupported reference: {quoted(reference)}")
        if reference not in self._rules_of_references:
            name = f"reference-{len(self._rules_of_references)}"
            self._rules_of_references[reference] = name  # for references to itself
            self._rules_of_references[reference] = self._visit(self._refs[reference], name)
        return self._rules_of_references[reference]

    def visit(self, schema: Any, name: str) -> str:
        self._visited += 1
        return self._visit(schema, f"subschema-{self._visited}" if self._visited > 1 else "")

    def _visit(self, schema: Any, name: str) -> str:
        if schema is False:
            raise unsupported("allows no value for a property or an item")
        if schema is True or (schema and not constraints(schema)):
            value = self._add_primitive("value", PRIMITIVE_RULES["value"])
            return self._add_rule(name or "root", value)
        if "allOf" in schema and len(schema["allOf"]) == 1:
            return self._visit(schema["allOf"][0], name)
        if "enum" in schema and not schema.keys() & {"$ref", "oneOf", "anyOf", "const"}:
            literals = sorted({json.dumps(value) for value in schema["enum"]})
            return self._add_rule(name or "root", self._tree(literals))
        if "const" in schema and not schema.keys() & {"$ref", "oneOf", "anyOf"}:
            return self._add_rule(name or "root", self._format_literal(json.dumps(schema["const"])))
        return str(super().visit(schema, name))

    def _visit_pattern(self, pattern: str, name: str) -> str:
        return str(super()._visit_pattern(without_classes(pattern), name))

    def _tree(self, literals: list[str]) -> str:
        """Return a rule for one of several sorted literals, none of which is empty."""
        branches = []
        for _, same_start in groupby(literals, key=lambda literal: literal[0]):
            group = list(same_start)
            prefix = _common_prefix(group[0], group[-1])
            rests = [literal[len(prefix) :] for literal in group]
            branch = self._format_literal(prefix)
            if len(group) > 1:
                optional = "?" if rests[0] == "" else ""
                branch += f" ({self._tree([rest for rest in rests if rest])}){optional}"
            branches.append(branch)
        return " | ".join(branches)

    def _format_literal(self, literal: str) -> str:
        escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def _add_rule(self, name: str, rule: str) -> str:
        known = len(self._rules)
        key = str(super()._add_rule(name, rule))
        if len(self._rules) > known:
            self._size += len(key) + len(rule)
        if self._size > MAX_GRAMMAR:
            raise unsupported("is too large")
        return key


def _common_prefix(first: str, second: str) -> str:
    different = (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return first[: next(different, len(first))]
