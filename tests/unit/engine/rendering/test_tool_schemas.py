"""Schemas of tools in the form that templates read."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat
from a3s_power_jupyter.engine.rendering.tool_schemas import plain, simplified
from support.rendering import learnt, prompt_of, user

#: Fails for properties without a type, and never ends for types that it does not know.
STRICT = (
    "{% macro show(s) %}{% if s.type in ['string', 'number', 'integer', 'boolean'] %}{{ s.type }}"
    "{% elif s.type == 'array' %}[{{ show(s['items']) }}]{% elif s.type == 'object' %}"
    "{{ '{' + show(s.additionalProperties) + '}' }}{% else %}{{ show(s) }}{% endif %}{% endmacro %}"
    "{% for t in tools or [] %}{% for name, s in t.function.parameters.properties | items %}"
    "{{ name + ': ' + show(s) + ' ' + s.description }}\n{% endfor %}{% endfor %}"
    "{{ messages[-1].content }}"
)
PERSON = {"type": "object", "title": "Person", "properties": {"age": {"type": "integer"}}}


def tool(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, **more}
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ({"type": "string"}, "string "),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}], "description": "d"}, "integer d"),
        ({"type": ["null", "number"]}, "number "),
        ({"enum": [None, 1]}, "integer "),
        ({"const": "x"}, "string "),
        ({}, "string "),
        (True, "string "),
        ({"type": "array"}, "[string] "),
        ({"items": {"$ref": "#/$defs/Name"}}, "[string] "),
        ({"$ref": "#/$defs/Person"}, "{string} "),
        ({"allOf": [{"$ref": "#/$defs/Person"}], "description": "p"}, "{string} p"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "{integer} "),
        ({"$ref": "#/$defs/Tree"}, "{string} "),
        ({"$ref": "#/$defs/Loop"}, "string "),
        ({"$ref": "#/nowhere"}, "string "),
        ({"$ref": "https://example.com/x.json"}, "string "),
    ],
)
def test_every_schema_is_described_by_a_strict_template(schema: Any, line: str) -> None:
    definitions = {
        "Name": {"type": "string"},
        "Person": PERSON,
        "Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    }
    template = learnt(STRICT, ChatFormat(native_tools=True, native_calls=True))
    tools = [tool({"x": schema}, **{"$defs": definitions})]
    assert prompt_of(template, [user("Hi")], tools=tools) == f"x: {line}\nHi"


def test_a_schema_is_not_simplified_if_the_template_describes_it() -> None:
    template = learnt(
        "{{ tools | tojson }}{{ messages[0].content }}", ChatFormat(native_tools=True)
    )
    schema = {"anyOf": [{"type": "null"}, {"type": "integer"}]}
    assert '"anyOf": [' in prompt_of(template, [user("Hi")], tools=[tool({"x": schema})])


def test_the_error_for_the_schema_as_it_is_is_reported() -> None:
    source = "{{ raise_exception(tools[0].function.parameters | tojson) if tools else messages }}"
    template = learnt(source, ChatFormat(native_tools=True))
    with pytest.raises(Exception, match="anyOf"):
        prompt_of(template, [user("Hi")], tools=[tool({"x": {"anyOf": []}})])


def test_the_branches_of_a_recursive_schema_end() -> None:
    children = {name: {"$ref": "#"} for name in "abcdefghij"}
    simple = simplified(plain(tool(children)))["function"]["parameters"]
    child = simple["properties"]["a"]
    assert {*child["properties"]} == {*children}
    assert child["properties"]["b"] == {"type": "string", "description": ""}
