"""Test arrays of different items, with a token for each byte."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from llguidance import LLTokenizer
from pydantic import BaseModel

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import Constraint
from a3s_power_jupyter.engine.constraints.compiler import ConstraintCompiler
from a3s_power_jupyter.engine.constraints.grammar import grammar_of

COMPILER = ConstraintCompiler(lambda: LLTokenizer("byte"))


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Shirt(BaseModel):
    colors: set[Color]
    sizes: frozenset[Literal[1, 2, 3]]
    flags: set[bool]


ARRAYS: dict[str, dict[str, Any]] = {
    "an enum": {"items": {"enum": ["a", "b", "c"]}},
    "an enum with its type": {"items": {"enum": ["a", "b"], "type": "string"}},
    "a constant": {"items": {"const": "a"}},
    "true and 1": {"items": {"enum": [True, 1, None]}},
    "a boolean": {"items": {"type": "boolean", "title": "Flag"}},
    "an enum that repeats itself": {"items": {"enum": ["a", "b", "a"]}},
    "at least two": {"items": {"enum": ["a", "b", "c"]}, "minItems": 2},
    "at most two": {"items": {"enum": ["a", "b", "c"]}, "maxItems": 2, "minItems": 1},
    "at most one of anything": {"items": {"type": "string", "maxLength": 2}, "maxItems": 1},
}
VALUES = ["a", "b", "d", True, 1]


def accepts(schema: dict[str, Any], value: Any) -> bool:
    matcher = COMPILER.compile(Constraint("json_schema", schema, "field"))
    try:
        matcher.feed(json.dumps(value).encode())
    except InvalidParameter:
        return False
    return matcher.allows_end


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_accepted_in_every_order_without_repetition(name: str) -> None:
    schema = {"type": "array", "uniqueItems": True, **ARRAYS[name]}
    validator = Draft202012Validator(schema)
    found = [[]] + [[v] for v in VALUES] + [[v, w] for v in VALUES for w in VALUES]
    found += [["c", *pair] for pair in found if len(pair) == 2]
    assert [accepts(schema, value) for value in found] == [*map(validator.is_valid, found)]


def test_sets_of_pydantic() -> None:
    schema = Shirt.model_json_schema()
    good = {"colors": ["blue", "red"], "sizes": [3, 1], "flags": [False]}
    assert accepts(schema, good)
    for name, value in (("colors", ["red", "red"]), ("sizes", [1, 1]), ("flags", [True, True])):
        assert not accepts(schema, {**good, name: value})


@pytest.mark.parametrize(
    "array",
    [
        {"items": {"type": "string"}},
        {"items": {"enum": [*"abcdefg"]}},
        {"items": {"enum": [1, 1.0]}},
        {"items": {"enum": [["a"], ["b"]]}},
        {"items": {"enum": ["a", "b"], "type": "integer"}},
        {"items": {"enum": ["a", "b"], "minLength": 1}},
        {"items": {"enum": ["a", "b"]}, "contains": {"const": "a"}},
        {"items": {"enum": ["a", "b"]}, "prefixItems": [{"const": "a"}]},
        {"items": {"enum": ["a", "b"]}, "minItems": 3},
        {},
    ],
)
def test_other_arrays_of_different_items_are_refused(array: dict[str, Any]) -> None:
    schema = {"type": "array", "uniqueItems": True, **array}
    with pytest.raises(InvalidParameter, match=r"uniqueItems|contains"):
        grammar_of(Constraint("json_schema", schema))
