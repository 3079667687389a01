"""Which JSON schemas are refused, and how the others are rewritten."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import Constraint
from a3s_power_jupyter.engine.constraints.grammar import grammar_of
from a3s_power_jupyter.engine.constraints.keywords import KEPT as KEPT_KEYWORDS
from a3s_power_jupyter.engine.constraints.schemas import prepared
from support.json_schemas import KEPT, REFUSED


@pytest.mark.parametrize(("schema", "path"), REFUSED)
def test_a_keyword_that_cannot_be_kept_is_refused(schema: dict[str, Any], path: str) -> None:
    keyword = path.rpartition("/")[2]
    nested = {"type": "array", "items": schema, "$defs": schema.get("$defs", {})}
    for whole, before in ((schema, ""), (nested, "/items")):
        with pytest.raises(InvalidParameter, match=keyword.lstrip("$")) as caught:
            grammar_of(Constraint("json_schema", whole))
        assert caught.value.param == f"response_format#{before}{path}"
        assert len(caught.value.message) < 500


@pytest.mark.parametrize("schema", KEPT)
def test_a_schema_that_is_kept_has_a_grammar(schema: dict[str, Any]) -> None:
    assert "%json" in grammar_of(Constraint("json_schema", schema))


def test_an_object_has_no_properties_beside_those_it_lists() -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    assert prepared(schema)["additionalProperties"] is False
    assert "additionalProperties" not in prepared({"type": "object"})
    assert prepared({**schema, "additionalProperties": True})["additionalProperties"] == {}
    assert "additionalProperties" not in prepared({**schema, "required": ["b"]})


def test_objects_that_are_combined_may_have_the_properties_of_all() -> None:
    parts = [{"type": "object", "properties": {name: {}}} for name in "ab"]
    for part in prepared({"allOf": parts})["allOf"]:
        assert "additionalProperties" not in part
    [part] = prepared({"allOf": parts[:1], "default": 1})["allOf"]
    assert part["additionalProperties"] is False


@pytest.mark.parametrize("beside", [{"type": "object"}, {"type": "object", "properties": {}}])
def test_alternatives_are_closed_beside_a_type_without_properties(beside: dict[str, Any]) -> None:
    part = {"type": "object", "properties": {"a": {}}}
    [alternative] = prepared({**beside, "anyOf": [part]})["anyOf"]
    assert alternative["additionalProperties"] is False
    referring = {**beside, "$ref": "#/$defs/A", "$defs": {"A": part}}
    [definition] = prepared(referring)["$defs"].values()
    assert definition["additionalProperties"] is False


def test_the_tag_of_alternatives_is_required() -> None:
    cat = {"type": "object", "properties": {"kind": {"const": "cat"}}}
    dog = {"type": "object", "properties": {"kind": {"const": "dog"}}}
    schema = {
        "oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}],
        "$defs": {"cat": cat, "dog": dog},
    }
    definitions = prepared(schema)["$defs"].values()
    assert [part["required"] for part in definitions] == [["kind"], ["kind"]]


def test_options_of_llguidance_in_a_schema_have_no_effect() -> None:
    options = prepared({"x-guidance": {"lenient": True}, "type": "string"})["x-guidance"]
    assert "lenient" not in options


@pytest.mark.parametrize("type_", ["integer", ["integer", "null"]])
def test_integers_without_bounds_have_at_most_15_digits(type_: object) -> None:
    """A small model may otherwise write digits until `max_tokens`."""
    limits = {"minimum": -(10**15) + 1, "maximum": 10**15 - 1}
    for given in ({}, {"minimum": 0}, {"maximum": 5}):
        assert prepared({"type": type_, **given}).items() >= (limits | given).items()
    beyond = {"type": type_, "minimum": 10**15}
    assert "maximum" not in prepared(beyond)
    assert "maximum" not in prepared({"type": "number"})


def test_false_allows_no_answer() -> None:
    with pytest.raises(InvalidParameter, match="allows no answer"):
        grammar_of(Constraint("json_schema", False))


MALFORMED = [5, None, [], {}, "x", [5], [[]], [{}], {"a": 5}, [None, 5], [{"a": []}], -1.5, True]


@pytest.mark.parametrize("keyword", sorted(KEPT_KEYWORDS | {"propertyNames", "uniqueItems"}))
def test_malformed_keywords_are_refused_or_kept(keyword: str) -> None:
    """Any value of a keyword is an error of the request, or a grammar; never another error."""
    for value in MALFORMED:
        part = {keyword: value}
        wholes = [part, {"oneOf": [part, {"const": 1}]}, {"allOf": [part], "type": "object"}]
        wholes += [{"propertyNames": part}, {"$ref": "#/$defs/a", "$defs": {"a": part}}]
        for whole in wholes:
            with suppress(InvalidParameter):
                assert "%json" in grammar_of(Constraint("json_schema", whole))
