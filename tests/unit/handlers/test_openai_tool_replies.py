"""Replies with calls of functions and thoughts, read by the ``openai`` package."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from a3s_power_jupyter.contract.types import (
    Delta,
    GenerationItem,
    Started,
    TokenLogprob,
    ToolCallDelta,
)
from a3s_power_jupyter.handlers.json_reply import encode_pieces
from a3s_power_jupyter.handlers.openai.chat_replies import ChatReply
from a3s_power_jupyter.handlers.openai.requests import read_chat
from support.items import finished

TOOLS = {"tools": [{"type": "function", "function": {"name": name}} for name in ("f", "g")]}
FUNCTIONS = {"functions": [{"name": "f"}]}
START = Started(7, 3)
END = finished("tool_calls", 7, 9)
FIRST = [
    Delta("", tool_calls=[ToolCallDelta(0, "call_a", "f")]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments='{"a"')]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments=": 1}")]),
]
SECOND = [Delta("", tool_calls=[ToolCallDelta(1, "call_b", "g", "{}")])]


def reply_of(**fields: Any) -> ChatReply:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return ChatReply(read_chat(body | fields))


def whole(items: list[GenerationItem], **fields: Any) -> dict[str, Any]:
    reply = reply_of(**fields)
    for item in items:
        reply.add(0, item)
    value: dict[str, Any] = json.loads(b"".join(encode_pieces(reply.result())))
    ChatCompletion.model_validate(value, strict=True)
    return value


def stream(items: list[GenerationItem], **fields: Any) -> list[dict[str, Any]]:
    reply = reply_of(stream=True, **fields)
    chunks = [chunk for item in items for chunk in reply.chunks(0, item)]
    decoded: list[dict[str, Any]] = [json.loads(msgspec.json.encode(chunk)) for chunk in chunks]
    for chunk in decoded:
        ChatCompletionChunk.model_validate(chunk)
    return decoded


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def accumulated(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that the openai package makes from the chunks of a stream."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    [choice] = state.get_final_completion().choices
    message: dict[str, Any] = choice.message.model_dump(exclude_none=True)
    for call in message.get("tool_calls", []):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return message | {"finish_reason": choice.finish_reason}


CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
    {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]


def test_a_message_of_calls_has_no_content() -> None:
    [choice] = whole([START, *FIRST, *SECOND, END], **TOOLS)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": CALLS,
    }


def test_text_and_thoughts_beside_calls() -> None:
    items = [START, Delta("", reasoning="Hm"), Delta("", reasoning="m."), Delta("Wait."), *FIRST]
    [choice] = whole([*items, END], **TOOLS)["choices"]
    message = choice["message"]
    assert message["content"] == "Wait."
    assert message["reasoning_content"] == message["reasoning"] == "Hmm."
    assert message["tool_calls"] == CALLS[:1]


def test_an_answer_without_tools_is_as_before() -> None:
    [choice] = whole([START, Delta(""), finished("stop", 7, 1)])["choices"]
    assert choice["message"] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas(stream([START]))[0] == {"role": "assistant", "content": ""}


def test_a_stream_of_calls_is_that_of_openai() -> None:
    function = {"name": "f", "arguments": ""}
    assert deltas(stream([START, *FIRST, *SECOND, END], **TOOLS)) == [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_b",
                    "type": "function",
                    "function": {"name": "g", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]


@pytest.mark.parametrize(
    "items",
    [
        [*FIRST, *SECOND],
        [Delta("Let me "), Delta("see."), *FIRST, *SECOND],
        [Delta("", reasoning="Hm"), Delta("", reasoning="m."), Delta("So"), *FIRST],
        [Delta("a", reasoning="b", tool_calls=[ToolCallDelta(0, "call_a", "f", "{}")])],
    ],
)
def test_a_stream_adds_up_to_the_whole_reply(items: list[GenerationItem]) -> None:
    [choice] = whole([START, *items, END], **TOOLS)["choices"]
    expected = {name: value for name, value in choice["message"].items() if value is not None}
    streamed = accumulated(stream([START, *items, END], **TOOLS))
    assert streamed == expected | {"finish_reason": "tool_calls"}


def test_thoughts_come_before_the_text() -> None:
    items = [START, Delta("", reasoning="Hm."), Delta("4"), finished("stop", 7, 3)]
    assert deltas(stream(items)) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm.", "reasoning": "Hm."},
        {"content": "4"},
        {},
    ]


def test_legacy_functions() -> None:
    function = {"name": "f", "arguments": '{"a": 1}'}
    [choice] = whole([START, *FIRST, END], **FUNCTIONS)["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": function,
    }
    chunks = stream([START, *FIRST, END], **FUNCTIONS)
    assert deltas(chunks)[1:4] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ": 1}"}},
    ]
    assert accumulated(chunks)["function_call"] == function
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_an_answer_to_legacy_functions_may_be_a_text() -> None:
    [choice] = whole([START, Delta("4"), finished("stop", 7, 1)], **FUNCTIONS)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "4")
    assert "function_call" not in choice["message"]


def test_each_choice_has_its_own_calls() -> None:
    reply = reply_of(n=2, **TOOLS)
    for i, items in enumerate(([START, *FIRST, END], [START, Delta("4"), finished("stop", 7, 1)])):
        for item in items:
            reply.add(i, item)
    value = json.loads(b"".join(encode_pieces(reply.result())))
    calls, text = (choice["message"] for choice in value["choices"])
    assert calls["tool_calls"] == CALLS[:1]
    assert (text["content"], "tool_calls" in text) == ("4", False)


def test_usage_counts_the_thoughts() -> None:
    end = msgspec.structs.replace(finished("stop", 7, 9), reasoning_tokens=5)
    usage = whole([START, Delta("4"), end])["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 5}
    reply = reply_of(n=2)
    for i in range(2):
        reply.add(i, end)
    assert reply.usage()["completion_tokens_details"] == {"reasoning_tokens": 10}


def test_log_probabilities_are_in_one_chunk_of_a_part() -> None:
    token = TokenLogprob("x", [120], -0.5, [])
    part = Delta("a", [token], reasoning="b", tool_calls=[ToolCallDelta(0, "i", "f", "{}")])
    chunks = stream([part], logprobs=True, **TOOLS)
    logprobs = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert len(logprobs) == 4
    assert logprobs[0]["content"][0]["token"] == "x"
    assert logprobs[1:] == [None] * 3
