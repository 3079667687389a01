"""Tools, formats and parameters of responses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import Constraint, ToolChoice
from support.responses import call_of

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "name": "f", "description": "D", "parameters": SCHEMA, "strict": True}
OTHER = {"type": "function", "name": "g"}
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def test_functions_reach_the_engine() -> None:
    request = call_of("Hi", tools=[TOOL, OTHER]).request
    assert request.tools == [
        {
            "type": "function",
            "function": {"name": "f", "description": "D", "parameters": SCHEMA, "strict": True},
        },
        {
            "type": "function",
            "function": {"name": "g", "description": "", "parameters": NO_ARGUMENTS},
        },
    ]
    assert request.parallel_tool_calls
    assert not call_of("Hi", tools=[TOOL], parallel_tool_calls=False).request.parallel_tool_calls


@pytest.mark.parametrize(
    ("given", "choice", "names", "shown"),
    [
        (None, ToolChoice(), ["f", "g"], "auto"),
        ("auto", ToolChoice(), ["f", "g"], "auto"),
        ("none", ToolChoice("none"), ["f", "g"], "none"),
        ("required", ToolChoice("required"), ["f", "g"], "required"),
        (
            {"type": "function", "name": "f"},
            ToolChoice("required", "f"),
            ["f", "g"],
            {"type": "function", "name": "f"},
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "g"}],
            },
            ToolChoice(),
            ["g"],
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "g"}],
            },
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"name": "g"}]},
            ToolChoice("required"),
            ["g"],
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "g"}],
            },
        ),
    ],
)
def test_all_forms_of_a_choice_are_read(
    given: Any, choice: ToolChoice, names: list[str], shown: Any
) -> None:
    call = call_of("Hi", tools=[TOOL, OTHER], tool_choice=given)
    assert call.request.tool_choice == choice
    assert [tool["function"]["name"] for tool in call.request.tools] == names
    assert call.tools.shown_choice == shown
    assert len(call.tools.shown) == 2


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "name": "f"}])
def test_a_choice_without_tools_means_nothing(choice: Any) -> None:
    assert call_of("Hi", tool_choice=choice).request.tools == []


@pytest.mark.parametrize(
    "kind",
    [
        "web_search",
        "web_search_preview",
        "file_search",
        "code_interpreter",
        "mcp",
        "computer",
        "computer_use_preview",
        "image_generation",
        "local_shell",
        "shell",
        "apply_patch",
        "tool_search",
        "programmatic_tool_calling",
        "custom",
    ],
)
def test_other_tools_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedRequestFields, match=repr(kind)) as caught:
        call_of("Hi", tools=[TOOL, {"type": kind, "name": "x"}])
    assert caught.value.param == "tools[1].type"
    with pytest.raises(UnsupportedRequestFields, match=repr(kind)):
        call_of("Hi", tools=[TOOL], tool_choice={"type": kind})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].function"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "parameters": 5}]}, "tools[0].parameters"),
        ({"tools": [{**TOOL, "strict": "yes"}]}, "tools[0].strict"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": 5}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": [TOOL]},
            },
            "tool_choice",
        ),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"text": {"format": 5}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_object"}}, "regex": "a"}, "regex"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
    ],
)
def test_a_malformed_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        call_of("Hi", **fields)
    assert caught.value.param == param


NAMESPACE = {
    "type": "namespace",
    "name": "files",
    "description": "Files.",
    "tools": [{**OTHER, "description": "Get.", "parameters": SCHEMA}, {**OTHER, "name": "h"}],
}


def test_functions_in_a_namespace_have_its_name() -> None:
    call = call_of("Hi", tools=[OTHER, NAMESPACE])
    functions = [tool["function"] for tool in call.request.tools]
    assert [function["name"] for function in functions] == ["g", "files__g", "files__h"]
    assert [function["description"] for function in functions] == ["", "Files.\nGet.", ""]
    assert call.tools.namespaces == {"files__g": ("files", "g"), "files__h": ("files", "h")}
    for choice in (
        {"type": "function", "name": "files__h"},
        {"type": "function", "name": "h", "namespace": "files"},
    ):
        chosen = call_of("Hi", tools=[NAMESPACE], tool_choice=choice)
        assert chosen.request.tool_choice == ToolChoice("required", "files__h")


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"name": "a b"}, "tools[0].name"),
        ({"tools": {}}, "tools[0].tools"),
        ({"tools": [5]}, "tools[0].tools[0]"),
        ({"tools": [{**OTHER, "name": "a b"}]}, "tools[0].tools[0].name"),
        ({"tools": [{**OTHER, "parameters": 5}]}, "tools[0].tools[0].parameters"),
        ({"description": 5}, "tools[0].description"),
        ({"tools": [OTHER, OTHER]}, "tools"),
    ],
)
def test_a_malformed_namespace_is_named(tool: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        call_of("Hi", tools=[NAMESPACE | tool])
    assert caught.value.param == param


def test_other_tools_in_a_namespace_are_refused() -> None:
    with pytest.raises(UnsupportedRequestFields, match="'custom'") as caught:
        call_of("Hi", tools=[NAMESPACE | {"tools": [{"type": "custom", "name": "c"}]}])
    assert caught.value.param == "tools[0].tools[0].type"


def test_a_function_that_only_programs_call_is_refused() -> None:
    with pytest.raises(UnsupportedRequestFields):
        call_of("Hi", tools=[{**TOOL, "allowed_callers": ["programmatic"]}])
    call_of("Hi", tools=[{**TOOL, "allowed_callers": ["direct", "programmatic"]}])


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ({}, UNSET),
        ({"format": {"type": "text"}}, UNSET),
        (
            {"format": {"type": "json_object"}},
            Constraint("json_schema", {"type": "object"}, "text.format"),
        ),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
            Constraint("json_schema", SCHEMA, "text.format.schema"),
        ),
    ],
)
def test_the_format_of_the_text_is_read(text: dict[str, Any], constraint: Any) -> None:
    assert call_of("Hi", text=text).request.sampling.constraint == constraint


def test_the_constraints_of_other_servers_are_read() -> None:
    constraint = call_of("Hi", regex="a+").request.sampling.constraint
    assert constraint == Constraint("regex", "a+", "regex")


def test_an_answer_that_is_a_call_has_no_other_constraint() -> None:
    text = {"format": {"type": "json_object"}}
    call = call_of("Hi", text=text, tools=[TOOL], tool_choice="required")
    assert call.request.sampling.constraint is UNSET


def test_parameters_reach_the_engine() -> None:
    call = call_of(
        "Hi",
        temperature=0,
        top_p=0.5,
        top_k=-1,
        min_p=0.1,
        seed=3,
        stop="x",
        max_output_tokens=-1,
        logit_bias={"5": 1},
        keep_alive="1m",
    )
    sampling = call.request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (
        0,
        0.5,
        0,
        0.1,
    )
    assert (sampling.seed, sampling.stop, sampling.logit_bias) == (3, ("x",), {5: 1})
    assert sampling.max_tokens == 2**31 - 1
    assert call.keep_alive == 60
    assert call_of("Hi", max_tokens=5).request.sampling.max_tokens == 5
    assert call_of("Hi").request.sampling.max_tokens is UNSET


@pytest.mark.parametrize(
    ("fields", "logprobs"),
    [
        ({}, UNSET),
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 3}, 3),
        ({"top_logprobs": 3}, 3),
    ],
)
def test_log_probabilities_are_requested(fields: dict[str, Any], logprobs: Any) -> None:
    assert call_of("Hi", **fields).request.sampling.logprobs == logprobs


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, {}),
        (
            {"reasoning": {"effort": "low"}},
            {"reasoning_effort": "low", "enable_thinking": True, "thinking": True},
        ),
        (
            {"reasoning": {"effort": "none"}},
            {"reasoning_effort": "none", "enable_thinking": False, "thinking": False},
        ),
        ({"enable_thinking": False}, {"enable_thinking": False, "thinking": False}),
        ({"chat_template_kwargs": {"a": 1}}, {"a": 1}),
    ],
)
def test_reasoning_reaches_the_template(fields: dict[str, Any], variables: Any) -> None:
    assert call_of("Hi", **fields).request.template_kwargs == variables


def test_a_misspelled_input_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"'input' is missing\. Check .* 'inptu'\."):
        call_of(None, inptu="Hi")
    with pytest.raises(InvalidParameter, match=r"'input' is missing\.$"):
        call_of(None, include=["reasoning.encrypted_content"])
