"""Test large, nested and unusual JSON schemas on both text engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Constraint, Sampling
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers import TransformersEngine
from support.engine_runs import finished, load_directory, run, text_of
from support.json_schemas import KEPT
from support.tiny_models import byte_level, make

Schema = dict[str, Any]


def pattern(text: str) -> Schema:
    return {"type": "string", "pattern": f"^{text}$"}


def nested(depth: int) -> Schema:
    schema: Schema = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


def optional(count: int) -> Schema:
    return {"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(count)}}


def doubling(depth: int) -> Schema:
    """Return a schema whose references lead to 10**depth alternatives."""
    definitions: Schema = {
        f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 10} for i in range(depth)
    }
    definitions[f"a{depth}"] = {"const": 1}
    return {"properties": {"a": {"$ref": "#/$defs/a0"}}, "$defs": definitions}


TREE: Schema = {
    "$ref": "#/$defs/tree",
    "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 0}},
}

#: Schemas that at least one engine cannot handle.
HOSTILE: dict[str, Schema] = {
    "maxLength 20,000": {"type": "string", "maxLength": 20_000},
    "maxLength 10^9": {"type": "string", "maxLength": 10**9},
    "minLength 10^9": {"type": "string", "minLength": 10**9},
    "maxItems 10^9": {"type": "array", "items": {"type": "null"}, "maxItems": 10**9},
    "minItems 10^9": {"type": "array", "items": {"type": "null"}, "minItems": 10**9},
    "nested bounds": {
        "type": "array", "maxItems": 1000,
        "items": {"type": "array", "maxItems": 1000, "items": {"type": "null", "maxLength": 1000}},
    },
    "negative length": {"type": "string", "maxLength": -1},
    "length as text": {"type": "string", "maxLength": "5"},
    "max below min": {"type": "string", "minLength": 5, "maxLength": 2},
    "enum of 100,000": {"enum": [f"value {i}" for i in range(100_000)]},
    "enum of 10,000": {"enum": [f"value {i}" for i in range(10_000)]},
    "depth 150": nested(150),
    "depth 400": nested(400),
    "5,000 properties": optional(5000),
    "450 properties": optional(450),
    "long names": {"properties": {"x" * 9000: {"properties": {"y" * 9000: {"type": "null"}}}}},
    "exponential references": doubling(9),
    "reference to itself": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "unknown reference": {"$ref": "#/$defs/b"},
    "remote reference": {"$ref": "https://example.org/schema.json"},
    "union of 1,000": {"anyOf": [{"const": f"v{i}"} for i in range(1000)]},
    "quantifier 10^9": pattern("a{1000000000}"),
    "quantifier 99999999999": pattern("a{99999999999}"),
    "nested quantifiers": pattern("((a{1000}){1000}){1000}"),
    "repeated empty group": pattern("((a|b)?){1000}c"),
    "repeated empty loop": pattern("((a*)*)*b"),
    "repeated quantifier": pattern("a?{500}"),
    "unopened bracket": pattern("}"),
    "unclosed bracket": pattern("["),
    "unclosed group": pattern("((("),
    "long pattern": pattern("a" * 100_000),
}  # fmt: skip
for _name in ("anyOf", "items", "properties", "required", "enum", "type", "$ref", "pattern"):
    HOSTILE[f"{_name} is a number"] = {"properties": {}, _name: 5}
HOSTILE["a chain of references"] = {
    "$ref": "#/$defs/a0",
    "$defs": {f"a{i}": {"items": {"$ref": f"#/$defs/a{i + 1}"}} for i in range(5000)},
}

#: Schemas that both engines can handle, with small answers.
GOOD: dict[str, Schema] = {
    "control characters": {"const": 'a\0b\n\t\x1f"\\\u2028é😀'},
    "control characters in an enum": {"enum": ["\0", "\n", "\\n", '"', "\\"]},
    "a name with a NUL": {
        "properties": {"a\0\n": {"enum": [1, 2]}}, "required": ["a\0\n"],
        "additionalProperties": False,
    },
    "an enum with common prefixes": {"enum": ["a", "ab", "abc", "b", 1, 12, None, {"a": [1]}]},
    "an enum of 1,000": {"enum": [f"value {i}" for i in range(1000)]},
    "a definition that refers to itself": TREE,
    "lengths": {"type": "string", "minLength": 2, "maxLength": 4},
    "a pattern": pattern("[a-c]{2,5}(x|yz)?"),
}  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"))


@pytest.fixture(scope="module", params=["llama.cpp", "transformers"])
def engine(request: pytest.FixtureRequest, directory: Path) -> Engine[Any]:
    if request.param == "transformers":
        return load_directory(TransformersEngine, directory, isq="none")
    path = directory / "model.gguf"
    convert(directory, path, lambda _value: None)
    load = Load("gguf", (str(path),), LoadParameters(num_parallel=2, num_ctx=256))
    return LlamaCppEngine.load(load, lambda _value: None)


def complete(schema: Schema | None, max_tokens: int) -> CompletionRequest:
    constraint = UNSET if schema is None else Constraint("json_schema", schema)
    return CompletionRequest(
        [1, 5, 9], Sampling(temperature=0.0, max_tokens=max_tokens, constraint=constraint)
    )


def prepare(engine: Engine[Any], request: CompletionRequest) -> Any:
    """Prepare a request, or return the error that refuses it."""
    try:
        return engine.prepare(1, request)
    except InvalidParameter as error:
        return error


def prepare_fails(engine: Engine[Any], request: CompletionRequest) -> bool:
    return isinstance(prepare(engine, request), InvalidParameter)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_refused_or_kept(engine: Engine[Any], name: str) -> None:
    good = complete(None, 5)
    [alone] = run(engine, good)
    prepared = prepare(engine, complete(HOSTILE[name], 5))
    if isinstance(prepared, InvalidParameter):
        assert str(prepared.param).startswith("response_format")
        assert len(prepared.message) < 400
        return
    engine.submit(engine.prepare(0, good))
    engine.submit(prepared)
    outputs = []
    while not engine.idle:
        outputs += engine.step()
    assert text_of([item for id_, item in outputs if id_ == 0]) == text_of(alone)
    last = [item for id_, item in outputs if id_ == 1][-1]
    assert not isinstance(last, Exception) or isinstance(last, InvalidParameter)


@pytest.mark.parametrize("name", GOOD)
def test_an_answer_keeps_its_schema(engine: Engine[Any], name: str) -> None:
    schema = GOOD[name]
    [items] = run(engine, complete(schema, 200))
    answer = json.loads(text_of(items))
    if "enum" in schema:
        assert answer in schema["enum"]
    if "const" in schema:
        assert answer == schema["const"]


@pytest.mark.parametrize("schema", KEPT)
def test_random_answers_are_valid(engine: Engine[Any], schema: Schema) -> None:
    """At a high temperature, a random model tries everything that the constraint allows."""
    for seed in range(8):
        constraint = Constraint("json_schema", schema)
        sampling = Sampling(temperature=2.0, max_tokens=60, seed=seed, constraint=constraint)
        request = CompletionRequest([1, 5, 9], sampling)
        if isinstance(engine, TransformersEngine) and prepare_fails(engine, request):
            return  # llguidance refuses some that llama.cpp keeps
        [items] = run(engine, request)
        if finished(items).finish_reason == "stop":
            Draft202012Validator(schema).validate(json.loads(text_of(items)))


def test_a_deeply_nested_schema_is_refused_by_its_depth(engine: Engine[Any]) -> None:
    with pytest.raises(InvalidParameter, match=r"nested too deeply|recursion limit"):
        engine.prepare(1, complete(nested(900), 5))
