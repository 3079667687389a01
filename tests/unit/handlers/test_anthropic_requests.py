"""Tools, sampling, thoughts and schemas of Anthropic's requests."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import Constraint, ToolChoice
from a3s_power_jupyter.handlers.anthropic.requests import MessageCall, read_message_call
from a3s_power_jupyter.handlers.fields import NO_LIMIT

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
TOOL = {"name": "f", "description": "d", "input_schema": SCHEMA}


def read(**fields: Any) -> MessageCall:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return read_message_call(body | fields)


def test_sampling() -> None:
    call = read(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=-1,
        min_p=0.1,
        seed=3,
        stop_sequences=["a", "b"],
        keep_alive="5m",
        stream=True,
    )
    sampling = call.request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (9, 0.5, 0.9)
    assert (sampling.top_k, sampling.min_p, sampling.seed) == (0, 0.1, 3)
    assert sampling.stop == ("a", "b")
    assert (call.keep_alive, call.stream) == (300, True)


def test_the_most_tokens_may_be_missing() -> None:
    assert read().request.sampling.max_tokens is UNSET
    assert read(max_tokens=-1).request.sampling.max_tokens == NO_LIMIT
    assert read(max_tokens=0).request.sampling.max_tokens == 0
    assert read().request.sampling.stop is UNSET
    assert read(stop_sequences=[]).request.sampling.stop == ()


def test_tools() -> None:
    extra = {"cache_control": {"type": "ephemeral"}, "eager_input_streaming": True, "strict": True}
    request = read(tools=[TOOL | extra, {"name": "g", "type": "custom"}]).request
    assert request.tools == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        },
        {
            "type": "function",
            "function": {
                "name": "g",
                "description": "",
                "parameters": {
                    "type": "object",
                    "properties": {},
                    "additionalProperties": False,
                },
            },
        },
    ]
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("auto"), True)


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), True),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto"), False),
        ({"type": "any"}, ToolChoice("required"), False),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice("required"), True),
        ({"type": "tool", "name": "f"}, ToolChoice("required", "f"), False),
    ],
)
def test_the_choice_of_a_tool(choice: dict[str, Any], expected: ToolChoice, parallel: bool) -> None:
    request = read(tools=[TOOL], tool_choice=choice).request
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


def test_no_tools() -> None:
    forbidden = read(tools=[TOOL], tool_choice={"type": "none"}).request
    assert (len(forbidden.tools), forbidden.tool_choice) == (1, ToolChoice("none"))
    assert read(tools=[], tool_choice={"type": "any"}).request.tool_choice == ToolChoice("auto")


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_20250305", "bash_20250124", "text_editor_20250728", "computer_20251124",
        "code_execution_20260521", "mcp_toolset", "memory_20250818",
    ],
)  # fmt: skip
def test_a_tool_that_anthropic_defines(kind: str) -> None:
    with pytest.raises(UnsupportedRequestFields, match=f"'its_name'.* '{kind}'") as caught:
        read(tools=[TOOL, {"type": kind, "name": "its_name"}])
    assert caught.value.param == "tools[1].type"


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "parameters": SCHEMA}},
        {"function": {"name": "f", "parameters": SCHEMA}},
        {"type": "function", "name": "f", "parameters": SCHEMA},
    ],
)
def test_a_tool_in_the_form_of_openai(tool: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRequestFields, match=r"form of OpenAI's API.*'input_schema'"):
        read(tools=[tool])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name"),
        ({"tools": [TOOL | {"description": 1}]}, "tools[0].description"),
        ({"tools": [TOOL | {"input_schema": {"type": "string"}}]}, "tools[0].input_schema.type"),
        ({"tools": [TOOL | {"strict": 1}]}, "tools[0].strict"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "required"}}, "tool_choice.type"),
    ],
)
def test_a_mistake_in_tools(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, {}),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False, "thinking": False}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"enable_thinking": True, "thinking": True, "thinking_budget": 1024},
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"},
        ),
        (
            {"thinking": {"type": "enabled"}, "chat_template_kwargs": {"thinking": False, "a": 1}},
            {"enable_thinking": True, "thinking": False, "a": 1},
        ),
    ],
)
def test_thinking(fields: dict[str, Any], variables: dict[str, Any]) -> None:
    assert read(**fields).request.template_kwargs == variables


def test_thoughts_are_hidden_on_request() -> None:
    assert not read(thinking={"type": "adaptive", "display": "summarized"}).hides_thoughts
    assert read(thinking={"type": "adaptive", "display": "omitted"}).hides_thoughts


def test_a_schema() -> None:
    for fields, name in (
        ({"output_config": {"format": FORMAT}}, "output_config.format.schema"),
        ({"output_format": FORMAT}, "output_format.schema"),
    ):
        constraint = read(**fields).request.sampling.constraint
        assert constraint == Constraint("json_schema", SCHEMA, name)
    with pytest.raises(InvalidParameter, match="both constrain"):
        read(output_format=FORMAT, output_config={"format": FORMAT})


def test_required_calls_have_schemas_of_their_own() -> None:
    given = {"tools": [TOOL], "output_format": FORMAT}
    assert read(**given).request.sampling.constraint is not UNSET
    call = read(**given, tool_choice={"type": "any"})
    assert call.request.sampling.constraint is UNSET
