"""Fields that constrain an answer, in the forms of several servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidParameter, PowerError
from a3s_power_jupyter.contract.types import Constraint
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
OBJECT = {"type": "object"}
GBNF = 'root ::= "yes" | "no"'
LARK = 'start: "yes" | "no"'


def constraint(**fields: Any) -> Any:
    chat = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    found = read_chat(chat).requests[0].sampling.constraint
    completion = {"model": "m", "prompt": "x", **fields}
    assert read_completion(completion).requests[0].sampling.constraint == found
    return found


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        ({"type": "json_object"}, OBJECT),
        ({"type": "json_object", "schema": SCHEMA}, SCHEMA),
        ({"type": "json_object", "value": SCHEMA}, SCHEMA),
        ({"type": "json", "value": SCHEMA}, SCHEMA),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, SCHEMA),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA, "strict": True}}, SCHEMA),
        ({"type": "json_schema", "json_schema": SCHEMA}, SCHEMA),
        ({"type": "json_schema", "json_schema": True}, True),
        ({"type": "json_schema", "json_schema": {}}, {}),
        ({"type": "json_schema", "schema": SCHEMA}, SCHEMA),
        ({"type": "json_schema", "value": {"name": "x", "schema": SCHEMA}}, SCHEMA),
        ({"type": "json_schema", "value": SCHEMA}, SCHEMA),
    ],
)
def test_schemas_in_response_format(given: Any, schema: Any) -> None:
    assert constraint(response_format=given) == Constraint("json_schema", schema)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"json_schema": SCHEMA}, ("json_schema", SCHEMA, "json_schema")),
        ({"guided_json": SCHEMA}, ("json_schema", SCHEMA, "guided_json")),
        ({"guided_json": json.dumps(SCHEMA)}, ("json_schema", SCHEMA, "guided_json")),
        ({"guided_regex": "a+"}, ("regex", "a+", "guided_regex")),
        ({"guided_choice": ["a", "b"]}, ("choice", ["a", "b"], "guided_choice")),
        ({"guided_grammar": GBNF}, ("gbnf", GBNF, "guided_grammar")),
        ({"guided_grammar": LARK}, ("lark", LARK, "guided_grammar")),
        ({"grammar": GBNF}, ("gbnf", GBNF, "grammar")),
        ({"grammar": "# one rule\n" + LARK}, ("lark", "# one rule\n" + LARK, "grammar")),
        ({"grammar": "%llguidance {}\n" + LARK}, ("lark", "%llguidance {}\n" + LARK, "grammar")),
        ({"grammar": {"type": "regex", "value": "a+"}}, ("regex", "a+", "grammar")),
        ({"ebnf": GBNF}, ("gbnf", GBNF, "ebnf")),
        ({"regex": "a+"}, ("regex", "a+", "regex")),
        ({"format": "json"}, ("json_schema", OBJECT, "format")),
        ({"format": SCHEMA}, ("json_schema", SCHEMA, "format")),
        (
            {"response_format": {"type": "regex", "value": "a+"}},
            ("regex", "a+", "response_format"),
        ),
        (
            {"response_format": {"type": "grammar", "grammar": GBNF}},
            ("gbnf", GBNF, "response_format"),
        ),
        *(
            ({"structured_outputs": {name: value}}, (kind, meant, f"structured_outputs.{name}"))
            for name, value, kind, meant in (
                ("json", SCHEMA, "json_schema", SCHEMA),
                ("json", json.dumps(SCHEMA), "json_schema", SCHEMA),
                ("json_object", True, "json_schema", OBJECT),
                ("regex", "a+", "regex", "a+"),
                ("choice", ["a"], "choice", ["a"]),
                ("grammar", GBNF, "gbnf", GBNF),
            )
        ),
    ],
)
def test_fields_of_other_servers(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert constraint(**fields) == Constraint(*expected)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_format": {"type": "text"}},
        {"response_format": None, "grammar": "", "guided_regex": "", "format": ""},
        {"structured_outputs": {"disable_any_whitespace": True}},
    ],
)
def test_no_constraint(fields: dict[str, Any]) -> None:
    assert constraint(**fields) is UNSET


@pytest.mark.parametrize(
    "given",
    [
        {},
        "json",
        {"type": "yaml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": "text"},
        {"type": "json_schema", "json_schema": {"name": "x"}},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": 1}},
        {"type": "regex"},
    ],
)
def test_a_malformed_response_format_is_refused(given: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        constraint(response_format=given)
    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"grammar": "anything"}, "grammar"),
        ({"grammar": 5}, "grammar"),
        ({"grammar": "a" * 2**19}, "grammar"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": "a"}, "guided_choice"),
        ({"guided_choice": [1]}, "guided_choice"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": 5}, "guided_json"),
        ({"guided_json": {"minimum": 2**70}}, "guided_json"),
        ({"guided_regex": ["a"]}, "guided_regex"),
        ({"structured_outputs": "json"}, "structured_outputs"),
        ({"structured_outputs": {"jsons": {}}}, "structured_outputs.jsons"),
        ({"structural_tag": {"a": 1}}, "structural_tag"),
        ({"structured_outputs": {"structural_tag": "{}"}}, "structured_outputs"),
        ({"structured_outputs": {"json": {}, "regex": "a"}}, "structured_outputs.regex"),
        ({"grammar": GBNF, "guided_regex": "a"}, "guided_regex"),
        ({"response_format": {"type": "json_object"}, "grammar": GBNF}, "grammar"),
    ],
)
def test_malformed_or_several_constraints_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(PowerError) as caught:
        constraint(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)
