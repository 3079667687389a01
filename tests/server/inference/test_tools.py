"""Tools with a real model, sent and read by the ``openai`` package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from jsonschema import validate
from openai import OpenAI
from pydantic import BaseModel, Field

from support.servers import Server

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "unit": {"enum": ["celsius", "kelvin"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "Get the weather.", "parameters": SCHEMA},
}
CLOCK: Any = {"type": "function", "function": {"name": "clock", "description": "Get the time."}}
ASKED: list[Any] = [{"role": "user", "content": "How is the weather in Paris?"}]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with OpenAI(
        base_url=f"{server.url}v1", api_key=server.token, max_retries=0, http_client=http
    ) as made:
        yield made


@pytest.fixture
def fields(smollm2: str) -> dict[str, Any]:
    return {
        "model": smollm2,
        "messages": ASKED,
        "tools": [WEATHER, CLOCK],
        "temperature": 0,
        "max_tokens": 80,
    }


def named(name: str) -> Any:
    return {"type": "function", "function": {"name": name}}


def check_call(call: Any) -> None:
    """Check that the arguments are those of the function."""
    arguments = json.loads(call.function.arguments)
    validate(arguments, SCHEMA if call.function.name == "weather" else {"maxProperties": 0})


@pytest.mark.parametrize("choice", ["required", named("weather"), named("clock")])
def test_a_call_is_made(client: OpenAI, fields: dict[str, Any], choice: Any) -> None:
    reply = client.chat.completions.create(**fields, tool_choice=choice, parallel_tool_calls=False)
    [made] = reply.choices
    assert made.finish_reason == "tool_calls"
    assert made.message.content is None
    [call] = made.message.tool_calls or []
    assert call.id
    check_call(call)
    if choice != "required":
        assert call.function.name == choice["function"]["name"]


def test_several_calls(client: OpenAI, fields: dict[str, Any]) -> None:
    """The model goes on until it is stopped, so that the last call may be incomplete."""
    asked = {**fields, "tool_choice": "required", "parallel_tool_calls": True}
    [choice] = client.chat.completions.create(**asked).choices
    calls = choice.message.tool_calls or []
    assert len({call.id for call in calls}) == len(calls) > 1
    for call in calls if choice.finish_reason == "tool_calls" else calls[:-1]:
        check_call(call)


def test_each_choice_has_its_calls(client: OpenAI, fields: dict[str, Any]) -> None:
    reply = client.chat.completions.create(
        **fields | {"temperature": 1}, tool_choice="required", parallel_tool_calls=False, n=2
    )
    assert len(reply.choices) == 2
    for choice in reply.choices:
        [call] = choice.message.tool_calls or []
        check_call(call)


def test_the_stream_has_the_calls_of_the_whole_reply(
    client: OpenAI, fields: dict[str, Any]
) -> None:
    asked = {**fields, "tool_choice": named("weather"), "parallel_tool_calls": False}
    [whole] = client.chat.completions.create(**asked).choices[0].message.tool_calls or []
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    [streamed] = final.choices[0].message.tool_calls or []
    assert final.choices[0].finish_reason == "tool_calls"
    assert (streamed.function.name, streamed.function.arguments) == (
        whole.function.name,
        whole.function.arguments,
    )
    fragments = [e for e in events if e.type == "tool_calls.function.arguments.delta"]
    assert len(fragments) > 3
    [done] = [e for e in events if e.type == "tool_calls.function.arguments.done"]
    assert json.loads(done.arguments) == json.loads(whole.function.arguments)


def test_the_chunks_of_a_call(client: OpenAI, fields: dict[str, Any]) -> None:
    chunks = client.chat.completions.create(
        **fields, tool_choice=named("weather"), parallel_tool_calls=False, stream=True
    )
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", None)
    [first], *others = (delta.tool_calls for delta in deltas if delta.tool_calls)
    assert (first.index, first.type, first.function.name) == (0, "function", "weather")
    assert first.id
    assert first.function.arguments == ""
    for [part] in others:
        assert (part.index, part.id, part.function.name) == (0, None, None)


class Weather(BaseModel):
    """Get the weather."""

    city: str = Field(max_length=12)
    days: int = Field(ge=1, le=9)


def test_arguments_are_parsed(client: OpenAI, fields: dict[str, Any]) -> None:
    tools = [openai.pydantic_function_tool(Weather)]
    reply = client.chat.completions.parse(
        **fields | {"tools": tools}, tool_choice="required", parallel_tool_calls=False
    )
    [call] = reply.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Weather)


def test_a_result_is_answered(client: OpenAI, fields: dict[str, Any]) -> None:
    asked = {**fields, "tool_choice": named("weather"), "parallel_tool_calls": False}
    message = client.chat.completions.create(**asked).choices[0].message
    [call] = message.tool_calls or []
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 21 degrees."}
    messages = [*ASKED, message, result]
    reply = client.chat.completions.create(**fields | {"messages": messages}, tool_choice="none")
    [choice] = reply.choices
    assert choice.message.content
    assert choice.message.tool_calls is None


def test_calls_that_the_client_made_up(client: OpenAI, fields: dict[str, Any]) -> None:
    calls = [
        {"function": {"name": "weather", "arguments": {"city": "Paris"}}},
        {"id": "x", "type": "function", "function": {"name": "unknown", "arguments": "{broken"}},
    ]
    messages = [
        *ASKED,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "Sunny."},
        {"role": "tool", "content": [{"type": "text", "text": "No."}], "tool_call_id": "x"},
        {"role": "tool", "content": "Of no call.", "tool_call_id": "y"},
        {"role": "function", "name": "clock", "content": "12:00"},
    ]
    reply = client.chat.completions.create(**fields | {"messages": messages})
    assert reply.choices[0].finish_reason in ("stop", "length", "tool_calls")


def test_a_call_that_is_cut_off(client: OpenAI, fields: dict[str, Any]) -> None:
    asked = {**fields, "max_tokens": 14, "tool_choice": named("weather")}
    [choice] = client.chat.completions.create(**asked).choices
    assert choice.finish_reason == "length"


@pytest.mark.parametrize("cut", [{"max_tokens": 1}, {"max_tokens": 7}, {"stop": ["name"]}])
def test_an_answer_that_is_cut_off_before_its_call(
    client: OpenAI, fields: dict[str, Any], cut: dict[str, Any]
) -> None:
    [choice] = client.chat.completions.create(**fields | cut, tool_choice="required").choices
    assert choice.finish_reason == ("stop" if "stop" in cut else "length")
    assert not choice.message.content
    assert choice.message.tool_calls is None


def test_legacy_functions(client: OpenAI, fields: dict[str, Any]) -> None:
    asked = {name: value for name, value in fields.items() if name != "tools"}
    asked |= {"functions": [WEATHER["function"]], "function_call": {"name": "weather"}}
    [choice] = client.chat.completions.create(**asked).choices
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None
    assert choice.message.tool_calls is None
    validate(json.loads(choice.message.function_call.arguments), SCHEMA)
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True)]
    parts = [chunk.delta.function_call for chunk in chunks if chunk.delta.function_call]
    assert parts[0].name == "weather"
    assert "".join(part.arguments or "" for part in parts) == choice.message.function_call.arguments
    assert chunks[-1].finish_reason == "function_call"
    messages = [
        *ASKED,
        choice.message,
        {"role": "function", "name": "weather", "content": "Sunny."},
    ]
    reply = client.chat.completions.create(
        **asked | {"messages": messages, "function_call": "none"}
    )
    assert reply.choices[0].message.content


def test_an_answer_is_a_call_or_has_the_format(client: OpenAI, fields: dict[str, Any]) -> None:
    """The model begins each answer with what its bias prefers: a call, or an object."""
    answer = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    format_ = {"type": "json_schema", "json_schema": {"name": "answer", "schema": answer}}
    for seed in range(3):
        asked = {**fields, "temperature": 1, "seed": seed, "parallel_tool_calls": False}
        [choice] = client.chat.completions.create(**asked, response_format=format_).choices
        if choice.finish_reason == "tool_calls":
            for call in choice.message.tool_calls or []:
                check_call(call)
        elif choice.finish_reason == "stop":
            validate(json.loads(choice.message.content or ""), answer)


def test_a_schema_that_cannot_be_kept_is_refused(client: OpenAI, fields: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    with pytest.raises(openai.BadRequestError, match="not") as caught:
        client.chat.completions.create(**fields | {"tools": [tool]}, tool_choice="required")
    assert caught.value.code == "invalid_parameter"
