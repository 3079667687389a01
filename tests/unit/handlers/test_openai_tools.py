"""The functions of a chat request, and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import BadRequest, InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import ChatRequest, ToolChoice
from a3s_power_jupyter.handlers.chat.functions import MAX_TOOLS
from a3s_power_jupyter.handlers.openai.requests import GenerationCall, read_chat

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def function(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"name": name, "description": "Does it.", "parameters": SCHEMA} | fields


def tool(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": function(name, **fields)}


def call_of(**fields: Any) -> GenerationCall:
    return read_chat({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields})


def read(**fields: Any) -> ChatRequest:
    [request] = call_of(**fields).requests
    assert isinstance(request, ChatRequest)
    return request


def names(request: ChatRequest) -> list[str]:
    return [tool["function"]["name"] for tool in request.tools]


def test_tools_are_read_as_they_are() -> None:
    request = read(tools=[tool("f", strict=True), tool("a.b-c_D9")])
    assert request.tools == [tool("f", strict=True), tool("a.b-c_D9")]
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("auto"), True)
    assert call_of(tools=[tool()]).has_tools
    assert not call_of().has_tools


@pytest.mark.parametrize(
    "given",
    [
        function() | {"type": "function"},
        {"function": function()},
        {"type": None, "function": function()},
    ],
)
def test_a_function_without_the_usual_nesting_is_read(given: dict[str, Any]) -> None:
    assert read(tools=[given]).tools == [tool()]


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        (None, NO_ARGUMENTS),
        ({}, NO_ARGUMENTS),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": ["object", "null"]}, {"type": "object", "properties": {}}),
        (
            {"type": "object", "properties": None, "required": None, "$defs": {}},
            {"type": "object", "properties": {}, "$defs": {}},
        ),
        ({"type": None, "$ref": "#/a"}, {"type": "object", "properties": {}, "$ref": "#/a"}),
        (SCHEMA, SCHEMA),
    ],
)
def test_parameters_become_the_schema_of_an_object(given: Any, read_as: dict[str, Any]) -> None:
    [read_tool] = read(tools=[tool(parameters=given)]).tools
    assert read_tool["function"]["parameters"] == read_as


def test_a_function_needs_only_a_name() -> None:
    [read_tool] = read(tools=[{"type": "function", "function": {"name": "f"}}]).tools
    expected = {"name": "f", "description": "", "parameters": NO_ARGUMENTS}
    assert read_tool["function"] == expected


@pytest.mark.parametrize("tools", [None, []])
@pytest.mark.parametrize("choice", [None, "auto", "none", "required", {"type": "x"}, 5])
def test_a_choice_without_tools_means_nothing(tools: Any, choice: Any) -> None:
    assert call_of(tools=tools, tool_choice=choice, parallel_tool_calls=False) == call_of()


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, ToolChoice("auto")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ({"type": "required"}, ToolChoice("required")),
        ({"type": "function", "function": {"name": "g"}}, ToolChoice("required", "g")),
        ({"function": {"name": "g"}}, ToolChoice("required", "g")),
        ({"type": "function", "name": "g"}, ToolChoice("required", "g")),
    ],
)
def test_tool_choice(given: Any, choice: ToolChoice) -> None:
    request = read(tools=[tool("f"), tool("g")], tool_choice=given)
    assert request.tool_choice == choice
    assert names(request) == ["f", "g"]


@pytest.mark.parametrize("given", ["none", {"type": "none"}])
def test_a_model_that_must_not_call_keeps_the_tools_of_its_history(given: Any) -> None:
    request = read(tools=[tool("f")], tool_choice=given)
    assert (names(request), request.tool_choice.mode) == (["f"], "none")


@pytest.mark.parametrize(
    ("mode", "choice"),
    [("auto", ToolChoice("auto")), ("required", ToolChoice("required"))],
)
@pytest.mark.parametrize("nested", [True, False])
def test_allowed_tools(mode: str, choice: ToolChoice, nested: bool) -> None:
    allowed: dict[str, Any] = {
        "mode": mode,
        "tools": [
            {"type": "function", "function": {"name": "h"}},
            {"type": "function", "name": "f"},
        ],
    }
    given = {"allowed_tools": allowed} if nested else allowed
    request = read(
        tools=[tool("f"), tool("g"), tool("h")], tool_choice={"type": "allowed_tools", **given}
    )
    assert names(request) == ["f", "h"]
    assert request.tool_choice == choice


def test_one_call_at_a_time() -> None:
    assert not read(tools=[tool()], parallel_tool_calls=False).parallel_tool_calls


@pytest.mark.parametrize(("choice", "several"), [("auto", True), ("required", False)])
def test_a_model_that_has_to_call_does_so_once_by_default(choice: str, several: bool) -> None:
    asked = {"tools": [tool()], "tool_choice": choice}
    assert read(**asked).parallel_tool_calls == several
    assert read(**asked, parallel_tool_calls=None).parallel_tool_calls == several
    assert read(**asked, parallel_tool_calls=True).parallel_tool_calls


def test_legacy_functions() -> None:
    call = call_of(functions=[function("f"), function("g")], function_call={"name": "g"})
    [request] = call.requests
    assert isinstance(request, ChatRequest)
    assert call.legacy_functions
    assert request.tools == [tool("f"), tool("g")]
    assert request.tool_choice == ToolChoice("required", "g")
    assert not request.parallel_tool_calls
    forbidden = call_of(functions=[function()], function_call="none")
    assert not forbidden.has_tools
    assert call_of(functions=[], function_call="auto") == call_of()


@pytest.mark.parametrize(
    ("choice", "constrained"), [("auto", True), ("none", True), ("required", False)]
)
def test_a_format_of_answers_is_not_that_of_calls(choice: str, constrained: bool) -> None:
    request = read(tools=[tool()], tool_choice=choice, response_format={"type": "json_object"})
    assert (request.sampling.constraint is not UNSET) == constrained


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {"f": 1}}, "tools"),
        ({"tools": "f"}, "tools"),
        ({"tools": [tool(f"f{i}") for i in range(MAX_TOOLS + 1)]}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [tool(), {"type": "function"}]}, "tools[1].function"),
        ({"tools": [tool(name="")]}, "tools[0].function.name"),
        ({"tools": [tool(name="a b")]}, "tools[0].function.name"),
        ({"tools": [tool(name="größe")]}, "tools[0].function.name"),
        ({"tools": [tool(name="f\n")]}, "tools[0].function.name"),
        ({"tools": [tool(name="f" * 129)]}, "tools[0].function.name"),
        ({"tools": [tool() | {"function": {}}]}, "tools[0].function.name"),
        ({"tools": [tool(), tool()]}, "tools"),
        ({"functions": [function(), function()]}, "functions"),
        ({"tools": [tool(description=5)]}, "tools[0].function.description"),
        ({"tools": [tool(strict="yes")]}, "tools[0].function.strict"),
        ({"tools": [tool(parameters=True)]}, "tools[0].function.parameters"),
        ({"tools": [tool(parameters={"type": "string"})]}, "tools[0].function.parameters.type"),
        ({"tools": [tool(parameters={"type": ["null"]})]}, "tools[0].function.parameters.type"),
        ({"tools": [tool(parameters={"maximum": 2**64})]}, "tools[0].function.parameters"),
        (
            {"tools": [tool(parameters={"properties": ["a"]})]},
            "tools[0].function.parameters.properties",
        ),
        ({"tools": [{"name": "f", "input_schema": SCHEMA}]}, "tools[0].function"),
        ({"tools": [tool()], "functions": [function()]}, "functions"),
        ({"tools": [tool()], "tool_choice": "f"}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {}}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": ["x"]}}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"function": {"name": "g"}}}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        (
            {"tools": [tool()], "tool_choice": {"type": "allowed_tools", "tools": ["g"]}},
            "tool_choice",
        ),
        ({"functions": [function()], "function_call": {"name": "g"}}, "function_call"),
        ({"tools": [tool()], "parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("kind", ["custom", "web_search", "code_interpreter", ["function"], 1])
def test_tools_other_than_functions_are_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedRequestFields, match="function") as caught:
        read(tools=[tool(), {"type": kind, "custom": {"name": "x"}}])
    assert caught.value.param == "tools[1].type"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [tool(name="f" * 10**6)]},
        {"tools": [{"type": "x" * 10**6}]},
        {"tools": [tool(f"{'n' * 100}{i}") for i in range(1000)], "tool_choice": {"name": "x"}},
    ],
)
def test_large_values_are_not_quoted_whole(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert len(str(caught.value)) < 1000
