"""Grammars of calls in each syntax."""

from __future__ import annotations

import json
from typing import Any

from ..format import CallSyntax, Harmony, JsonCalls, NamedJson, Pythonic, TaggedArguments
from .lark import Lark, either, sequence
from .literal_values import LiteralValues, joined
from .raw_values import RawValues
from .schemas import OPTIONS, Parameters, Schema

#: Most calls of an answer, because small models may repeat a call for ever.
MAX_CALLS = 32


def calls_of(lark: Lark, syntax: CallSyntax, tools: list[Parameters], several: bool) -> str:
    """Return the expression of the calls of an answer.

    Parameters
    ----------
    several : bool
        Whether there may be several calls.

    Raises
    ------
    InvalidParameter
        If the schema of a tool cannot be kept in this syntax.
    """
    several = several and not syntax.one_call
    if isinstance(syntax, Harmony):
        return _harmony(lark, tools)
    if isinstance(syntax, JsonCalls) and syntax.in_list:
        inner = lark.json(_list_schema(syntax, tools, several))
    elif isinstance(syntax, Pythonic):
        inner = _repeated(lark, either(_python_call(lark, syntax, tool) for tool in tools),
                          syntax.separator, several)  # fmt: skip
        if syntax.in_list:
            inner = sequence(['"["', inner, '"]"'])
    else:
        return _marked(lark, syntax, tools, several)
    return sequence([_before(lark, syntax), inner, lark.text(syntax.after)])


def _marked(
    lark: Lark,
    syntax: JsonCalls | NamedJson | TaggedArguments,
    tools: list[Parameters],
    several: bool,
) -> str:
    """Return the expression of calls with texts around each."""
    if isinstance(syntax, JsonCalls):
        body = lark.json(_any_of([_call_schema(syntax, tool, i) for i, tool in enumerate(tools)]))
        call = sequence([lark.text(syntax.start), body, lark.text(syntax.end)])
    elif isinstance(syntax, NamedJson):
        call = either(_named_call(lark, syntax, tool, syntax.start) for tool in tools)
    else:
        call = either(_tagged_call(lark, syntax, tool) for tool in tools)
    first = call
    if isinstance(syntax, NamedJson) and syntax.bare_first:
        bare = either(_named_call(lark, syntax, tool, "") for tool in tools)
        first = either([bare, call]) if lark.flexible else bare
    calls = _repeated(lark, call, syntax.separator, several, first)
    return sequence([_before(lark, syntax), calls, lark.text(syntax.after)])


def _before(lark: Lark, syntax: Any) -> str:
    before = lark.text(syntax.before)
    optional = getattr(syntax, "optional_before", "")
    return sequence([f"({lark.text(optional)})?" if optional else "", before])


def _repeated(lark: Lark, call: str, separator: str, several: bool, first: str = "") -> str:
    call = lark.rule(call)
    first = lark.rule(first) if first else call
    if not several:
        return first
    return f"{first} ({sequence([lark.text(separator), call])}){{0,{MAX_CALLS - 1}}}"


# ---------------------------------------------------------------- JSON


def _list_schema(syntax: JsonCalls, tools: list[Parameters], several: bool) -> Schema:
    calls = _any_of([_call_schema(syntax, tool, index) for index, tool in enumerate(tools)])
    options: Schema = {key: calls.pop(key) for key in OPTIONS if key in calls}
    most = MAX_CALLS if several else 1
    return {"type": "array", "items": calls, "minItems": 1, "maxItems": most, **options}


def _any_of(schemas: list[Schema]) -> Schema:
    """Return a schema with several alternatives, and the definitions and options of all."""
    definitions: Schema = {}
    options: Schema = {}
    alternatives = []
    for schema in schemas:
        definitions |= schema.pop("$defs", {})
        found = schema.pop("x-guidance", {})
        # The one without this restriction allows what the other needs.
        if "json_allowed_escapes" not in found and options:
            options.pop("json_allowed_escapes", None)
        elif not options or "json_allowed_escapes" in options:
            options = dict(found)
        alternatives.append(schema)
    combined: Schema = {"anyOf": alternatives}
    if len(alternatives) == 1:
        combined = alternatives[0]
    combined["x-guidance"] = options
    return {**combined, "$defs": definitions} if definitions else combined


def _call_schema(syntax: JsonCalls, tool: Parameters, index: int) -> Schema:
    """Return the schema of a call as a JSON object."""
    schema = _renamed(tool.schema, f"#/$defs/t{index}_")
    shared: Schema = {key: schema.pop(key) for key in OPTIONS if key in schema}
    if "$defs" in shared:
        shared["$defs"] = {f"t{index}_{key}": value for key, value in shared["$defs"].items()}
    if syntax.name_is_key:
        return {**_object({tool.name: schema}), **shared}
    body: Schema = {syntax.name_key: {"const": tool.name}, syntax.arguments_key: schema}
    if syntax.wrapper:
        body = {syntax.wrapper: _object(body)}
    id_: Schema = {}
    if syntax.id_key:
        id_ = {syntax.id_key: {"type": "string", "pattern": f"^{syntax.id_pattern}$"}}
    constants = {key: {"const": value} for key, value in syntax.constants.items()}
    first, last = (id_, {}) if syntax.id_first else ({}, id_)
    return {**_object({**first, **constants, **body, **last}), **shared}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _renamed(node: Any, prefix: str) -> Any:
    """Return a prepared schema with other names of its definitions."""
    if isinstance(node, list):
        return [_renamed(part, prefix) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/$defs/", prefix)
        if key == "$ref" and isinstance(value, str)
        else value
        if key in ("const", "enum")
        else _renamed(value, prefix)
        for key, value in node.items()
    }


# ---------------------------------------------------------------- a name and JSON


def _named_call(lark: Lark, syntax: NamedJson, tool: Parameters, start: str) -> str:
    id_ = f"/{syntax.id_pattern}/"
    if not syntax.id_pattern:
        named = lark.text(f"{start}{tool.name}{syntax.arguments_start}")
    elif syntax.id_after_name:
        before = lark.text(f"{start}{tool.name}{syntax.id_between}")
        named = sequence([before, id_, lark.text(syntax.arguments_start)])
    else:
        after = lark.text(f"{syntax.id_between}{tool.name}{syntax.arguments_start}")
        named = sequence([lark.text(start), id_, after])
    return sequence([named, lark.json(tool.schema), lark.text(syntax.end)])


def _harmony(lark: Lark, tools: list[Parameters]) -> str:
    json_ = f'(" " {lark.text("<|constrain|>")} "json" | " json")? {lark.text("<|message|>")}'
    calls = []
    for tool in tools:
        to = json.dumps(f"to=functions.{tool.name}")
        channel = lark.text("<|channel|>commentary")
        header = f'({channel} " " {to} | " " {to} {channel}) {json_}'
        calls.append(sequence([header, lark.json(tool.schema)]))
    start = f'({lark.text("<|start|>")} "assistant")?' if lark.flexible else ""
    return sequence([start, either(calls)])


# ---------------------------------------------------------------- arguments one by one


def _python_call(lark: Lark, syntax: Pythonic, tool: Parameters) -> str:
    properties, required = tool.properties(tool.schema)
    for key in properties:
        tool.check_key(key, allowed=key.isidentifier(), path=f"/properties/{key}")
    if syntax.json_values:
        entries = [
            (sequence([json.dumps(f"{key}="), lark.json(tool.whole(schema))]), key in required)
            for key, schema in properties.items()
        ]
        inner = joined(lark, entries, sequence(['","', lark.space()]))
    else:
        values = LiteralValues(lark, tool)
        inner = values.properties(properties, required, "", key_end="=")
    return sequence([json.dumps(f"{tool.name}("), inner, '")"'])


def _tagged_call(lark: Lark, syntax: TaggedArguments, tool: Parameters) -> str:
    properties, required = tool.properties(tool.schema)
    entries = [
        (_argument(lark, syntax, tool, key, schema), key in required)
        for key, schema in properties.items()
    ]
    arguments = joined(lark, entries, lark.text(syntax.argument_separator))
    start = lark.text(f"{syntax.start}{tool.name}{syntax.name_end}")
    return sequence([start, arguments, lark.text(syntax.end)])


def _argument(
    lark: Lark, syntax: TaggedArguments, tool: Parameters, key: str, schema: Schema
) -> str:
    path = f"/properties/{key}"
    end = syntax.value_end
    if syntax.closing_key_end:
        end = f"{end}{key}{syntax.closing_key_end}"
    start = f"{syntax.argument_start}{key}"
    ends = (syntax.key_end.strip(), syntax.string_key_end.strip(), "\n", "<")
    clear = key == key.strip() and not any(text and text in key for text in ends)
    tool.check_key(key, allowed=bool(key) and clear, path=path)

    def key_text(key_end: str) -> str:
        body = key_end.rstrip()
        return sequence([lark.text(f"{start}{body}"), lark.around(key_end[len(body) :])])

    if syntax.string_quote:
        value = LiteralValues(lark, tool, syntax.string_quote).value(schema, path)
        return sequence([key_text(syntax.key_end), value, lark.text(end)])
    if not tool.resolved(schema) and not syntax.string_key_end:
        return sequence([key_text(syntax.key_end), lark.until(end)])
    values = RawValues(lark, tool)
    kinds = values.kinds(schema, path)
    others = values.others(kinds, end)
    strings = values.strings(kinds, end, path)
    if not syntax.string_key_end:
        return sequence([key_text(syntax.key_end), either([*strings, *others])])
    found = []
    if strings:
        found.append(sequence([key_text(syntax.string_key_end), either(strings)]))
    if others:
        found.append(sequence([key_text(syntax.key_end), either(others)]))
    return either(found)
