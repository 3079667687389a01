"""Calls of functions, their results, and thoughts in the messages of a chat request."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.handlers.openai.requests import read_chat

USER = {"role": "user", "content": "Hi"}


def call(name: str = "f", arguments: Any = "{}", id_: str | None = "call_1") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


def tool(content: Any = "42", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content, **fields}


def read(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    [request] = read_chat({"model": "m", "messages": list(messages)}).requests
    assert isinstance(request, ChatRequest)
    return request.messages


@pytest.mark.parametrize("content", [None, "", []])
def test_calls_and_results(content: Any) -> None:
    calls = [call("f", '{"a": 1}', "one"), call("g", "{}", "two")]
    messages = read(
        USER,
        assistant(*calls, content=content),
        tool("2", tool_call_id="two"),
        tool([{"type": "text", "text": "1"}], tool_call_id="one"),
    )
    assert messages[1:] == [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "1", "tool_call_id": "one", "name": "f"},
        {"role": "tool", "content": "2", "tool_call_id": "two", "name": "g"},
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("{broken", "{broken"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ("", "{}"),
        (None, "{}"),
        ({}, "{}"),
    ],
)
def test_arguments_become_text(given: Any, text: str) -> None:
    [_, message, _] = read(USER, assistant(call(arguments=given)), tool())
    assert message["tool_calls"][0]["function"]["arguments"] == text


def test_content_beside_calls_is_kept() -> None:
    assert (
        read(USER, assistant(call(), content="Let me see."), tool())[1]["content"] == "Let me see."
    )


@pytest.mark.parametrize("calls", [None, []])
def test_no_calls(calls: Any) -> None:
    message = {"role": "assistant", "content": "x", "tool_calls": calls, "function_call": None}
    assert read(USER, message, USER)[1] == {"role": "assistant", "content": "x"}


def test_legacy_functions() -> None:
    request = {"name": "f", "arguments": '{"a": 1}'}
    messages = read(
        USER,
        {"role": "assistant", "content": None, "function_call": request},
        {"role": "function", "name": "f", "content": "42"},
    )
    assert messages[1]["tool_calls"] == [call("f", '{"a": 1}', "call00001")]
    assert messages[2] == {
        "role": "tool",
        "content": "42",
        "tool_call_id": "call00001",
        "name": "f",
    }


def test_results_without_an_identifier_answer_the_open_calls() -> None:
    messages = read(
        USER,
        assistant(call("f", id_=None), call("g", id_=""), call("f", id_=None)),
        tool(name="g"),
        tool(),
        tool(tool_call_id=""),
    )
    assert [c["id"] for c in messages[1]["tool_calls"]] == ["call00001", "call00002", "call00003"]
    answered = [(m["tool_call_id"], m["name"]) for m in messages[2:]]
    assert answered == [("call00001", "f"), ("call00002", "g"), ("call00003", "f")]


def test_identifiers_do_not_change_when_the_chat_goes_on() -> None:
    first = [USER, assistant(call(id_=None)), tool()]
    longer = [*first, assistant(call("g", id_=None)), tool()]
    assert read(*longer)[:3] == read(*first)
    assert read(*longer)[4]["name"] == "g"


def test_an_identifier_that_is_used_again_is_that_of_the_last_call() -> None:
    result = tool(tool_call_id="call_1")
    messages = read(USER, assistant(call("f")), result, assistant(call("g")), result)
    assert (messages[2]["name"], messages[4]["name"]) == ("f", "g")


@pytest.mark.parametrize(
    ("result", "read_as"),
    [
        (tool(tool_call_id="x"), {"tool_call_id": "x"}),
        (tool(tool_call_id="x", name="h"), {"tool_call_id": "x", "name": "h"}),
        (tool(name="h"), {"tool_call_id": "call00001", "name": "h"}),
        (tool(), {"tool_call_id": "call00001"}),
    ],
)
def test_a_result_without_a_call_is_kept(result: Any, read_as: dict[str, str]) -> None:
    assert read(USER, result)[1] == {"role": "tool", "content": "42", **read_as}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts(field: str) -> None:
    message = {"role": "assistant", "content": "4", field: "2 + 2"}
    assert read(USER, message, USER)[1] == {
        "role": "assistant",
        "content": "4",
        "reasoning_content": "2 + 2",
    }
    both = message | {"reasoning": "2 + 2", "reasoning_content": "2 + 2"}
    assert read(USER, both, USER) == read(USER, message, USER)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (assistant() | {"tool_calls": {"f": 1}}, ".tool_calls"),
        (assistant("f"), ".tool_calls[0]"),  # type: ignore[arg-type]
        (assistant(call() | {"id": 5}), ".tool_calls[0].id"),
        (assistant({"id": "1", "type": "function"}), ".tool_calls[0].function"),
        (assistant(call(name="")), ".tool_calls[0].function.name"),
        (assistant(call(arguments=[1])), ".tool_calls[0].function.arguments"),
        ({"role": "assistant", "function_call": "f"}, ".function_call"),
        ({"role": "assistant", "function_call": {"arguments": "{}"}}, ".function_call.name"),
        ({"role": "assistant", "content": "x", "reasoning": {"a": 1}}, ".reasoning"),
        (USER | {"tool_calls": [call()]}, ".tool_calls"),
        (tool(tool_call_id=5), ".tool_call_id"),
        (tool(name=5), ".name"),
        (tool({"result": 42}), ".content"),
    ],
)
def test_mistakes_are_named(message: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(USER, message, USER)
    assert caught.value.param == f"messages[1]{param}"


def test_calls_other_than_of_functions_are_refused() -> None:
    custom = {"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}
    with pytest.raises(UnsupportedRequestFields) as caught:
        read(USER, assistant(custom))
    assert caught.value.param == "messages[1].tool_calls[0].type"
