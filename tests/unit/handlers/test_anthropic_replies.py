"""Messages and their events, read by the ``anthropic`` package."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from anthropic import types
from anthropic.lib.streaming import _messages as streaming
from pydantic import BaseModel, TypeAdapter

from a3s_power_jupyter.contract.errors import InvalidToolCall
from a3s_power_jupyter.contract.types import (
    Delta,
    Finished,
    FinishReason,
    GenerationItem,
    Reading,
    Started,
    ToolCallDelta,
)
from a3s_power_jupyter.handlers.anthropic.content import SIGNATURE
from a3s_power_jupyter.handlers.anthropic.replies import MessageReply
from a3s_power_jupyter.handlers.anthropic.requests import read_message_call
from support.items import finished

START = Started(7, 3)
THOUGHTS = [Delta("", reasoning="Hm"), Delta("", reasoning=".")]
TEXT = [Delta("Hel"), Delta("lo")]
FIRST = [
    Delta("", tool_calls=[ToolCallDelta(0, "call_a", "f")]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments='{"a"')]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments=": 1}")]),
]
SECOND = [Delta("", tool_calls=[ToolCallDelta(1, "call_b", "g", "{}")])]

THINKING_BLOCK = {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}
TEXT_BLOCK = {"type": "text", "text": "Hello"}
FIRST_BLOCK = {"type": "tool_use", "id": "call_a", "name": "f", "input": {"a": 1}}
SECOND_BLOCK = {"type": "tool_use", "id": "call_b", "name": "g", "input": {}}


def end(reason: FinishReason = "stop", tokens: int = 9, stop: str | None = None) -> Finished:
    return msgspec.structs.replace(finished(reason, 7, tokens, 3), stop=stop, reasoning_tokens=2)


def reply_of(limit: int | None = None, **fields: Any) -> MessageReply:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return MessageReply(read_message_call(body | fields), limit)


def check_nothing_is_left_over(value: Any) -> None:
    """Check that a parsed object has no fields beside those of its type."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, value
        for name in type(value).model_fields:
            check_nothing_is_left_over(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            check_nothing_is_left_over(item)


def parsed(value: dict[str, Any], type_: Any) -> Any:
    found = TypeAdapter(type_).validate_python(value, strict=True)
    check_nothing_is_left_over(found)
    return found


def events_of(items: list[GenerationItem], **given: Any) -> list[dict[str, Any]]:
    """Return the events of a stream, which have the types and the order of Anthropic's API."""
    reply = reply_of(stream=True, **given)
    events = [event for item in items for event in reply.events(item)]
    decoded: list[dict[str, Any]] = [json.loads(msgspec.json.encode(event)) for event in events]
    for event in decoded:
        parsed(event, types.RawMessageStreamEvent)
    check_order(decoded)
    return decoded


def check_order(events: list[dict[str, Any]]) -> None:
    """Check that blocks follow each other, with indices that count them."""
    names = [event["type"] for event in events]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    opened, next_index = None, 0
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert (opened, event["index"]) == (None, next_index)
            opened, next_index = next_index, next_index + 1
        else:
            assert event["index"] == opened
            opened = None if event["type"] == "content_block_stop" else opened
    assert opened is None


def accumulated(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that the anthropic package makes from the events of a stream."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        snapshot = streaming.accumulate_event(
            event=parsed(event, types.RawMessageStreamEvent),
            current_snapshot=snapshot,
            json_bufs=buffers,
        )
    message: dict[str, Any] = json.loads(snapshot.to_json(exclude_none=True))
    for block in message["content"]:
        block.pop("parsed_output", None)
    return message


def whole(items: list[GenerationItem], **given: Any) -> dict[str, Any]:
    reply = reply_of(**given)
    for item in items:
        reply.events(item)
    value: dict[str, Any] = json.loads(msgspec.json.encode(reply.result()))
    parsed(value, types.Message)
    return value


def both(items: list[GenerationItem], **given: Any) -> dict[str, Any]:
    """Return the whole message, after checking that a stream has the same."""
    message = whole(items, **given)
    streamed = accumulated(events_of(items, **given))
    wanted = {name: value for name, value in message.items() if value is not None}
    assert streamed | {"id": message["id"]} == wanted
    return message


def test_a_text() -> None:
    message = both([START, *TEXT, end()])
    assert message["content"] == [TEXT_BLOCK]
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "m")
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)


def test_usage_counts_the_cached_tokens_apart() -> None:
    message = both([START, *TEXT, end()])
    assert message["usage"] == {
        "input_tokens": 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
    }


def test_the_events_of_a_text() -> None:
    first, *events = events_of([START, *TEXT, end()])
    assert first["message"]["usage"]["input_tokens"] == 4
    assert first["message"]["content"] == []
    assert first["message"]["stop_reason"] is None
    usage = events[-2].pop("usage")
    assert (usage["input_tokens"], usage["output_tokens"]) == (4, 9)
    assert events == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hel"},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "lo"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}},
        {"type": "message_stop"},
    ]


def test_thoughts_text_and_calls() -> None:
    message = both([START, *THOUGHTS, *TEXT, *FIRST, *SECOND, end("tool_calls")])
    assert message["content"] == [THINKING_BLOCK, TEXT_BLOCK, FIRST_BLOCK, SECOND_BLOCK]
    assert message["stop_reason"] == "tool_use"


def test_a_part_of_the_answer_with_everything() -> None:
    call = ToolCallDelta(0, "call_a", "f", '{"a": 1}')
    message = both([START, Delta("Hello", reasoning="Hm.", tool_calls=[call]), end("tool_calls")])
    assert message["content"] == [THINKING_BLOCK, TEXT_BLOCK, FIRST_BLOCK]


def test_blocks_of_a_kind_that_come_again() -> None:
    message = both([START, *TEXT, *FIRST, *THOUGHTS, *TEXT, end("tool_calls")])
    assert message["content"] == [TEXT_BLOCK, FIRST_BLOCK, THINKING_BLOCK, TEXT_BLOCK]


def test_white_space_is_no_block() -> None:
    spaces = [Delta("\n"), Delta("\n")]
    message = both([START, *THOUGHTS, *spaces, *FIRST, *spaces, end("tool_calls")])
    assert message["content"] == [THINKING_BLOCK, FIRST_BLOCK]
    message = both([START, *THOUGHTS, *spaces, *TEXT, *spaces, end()])
    assert message["content"][1] == {"type": "text", "text": "\n\nHello\n\n"}
    assert both([START, *spaces, end()])["content"] == [{"type": "text", "text": "\n\n"}]


def test_hidden_thoughts() -> None:
    thinking = {"type": "adaptive", "display": "omitted"}
    message = both([START, *THOUGHTS, *TEXT, end()], thinking=thinking)
    assert message["content"] == [THINKING_BLOCK | {"thinking": ""}, TEXT_BLOCK]


def test_no_answer() -> None:
    message = both([START, end("length", tokens=0)], max_tokens=0)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")


def test_items_of_other_servers() -> None:
    """They may send the counts at the end only."""
    assert both([*TEXT, end()])["usage"]["input_tokens"] == 4
    assert both([Started(0, 0), Reading(1, 2, 0, 1.0), *TEXT, end()])["content"] == [TEXT_BLOCK]


@pytest.mark.parametrize(
    ("finish", "reason", "sequence"),
    [
        (end(), "end_turn", None),
        (end(stop="a"), "stop_sequence", "a"),
        (end(stop="default"), "end_turn", None),
        (end("length", tokens=9), "max_tokens", None),
        (end("length", tokens=8), "model_context_window_exceeded", None),
    ],
)
def test_the_reason_of_the_end(finish: Finished, reason: str, sequence: str | None) -> None:
    message = both([START, *TEXT, finish], limit=9, stop_sequences=["a", "b"])
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


def test_the_limit_of_another_server_is_not_known() -> None:
    assert both([START, *TEXT, end("length", tokens=3)])["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("begun", [1, 2])
@pytest.mark.parametrize(
    ("finish", "reason"),
    [(end("length"), "max_tokens"), (end("tool_calls", stop="a"), "stop_sequence")],
)
def test_a_call_that_is_cut_is_left_out(begun: int, finish: Finished, reason: str) -> None:
    """A stream has sent its beginning; the reason says that it is not to be made."""
    items = [START, *TEXT, *FIRST[:begun], finish]
    message = whole(items, stop_sequences=["a"])
    assert (message["content"], message["stop_reason"]) == ([TEXT_BLOCK], reason)
    streamed = accumulated(events_of(items, stop_sequences=["a"]))
    assert streamed["stop_reason"] == reason


def test_a_whole_call_of_an_answer_that_is_cut() -> None:
    message = both([START, *FIRST, end("length")])
    assert (message["content"], message["stop_reason"]) == ([FIRST_BLOCK], "max_tokens")


def test_a_call_without_arguments() -> None:
    call = Delta("", tool_calls=[ToolCallDelta(0, "call_b", "g")])
    assert both([START, call, end("tool_calls")])["content"] == [SECOND_BLOCK]


@pytest.mark.parametrize("arguments", ['{"a"', "[1]", '"a"', "none", '{"a": NaN}'])
@pytest.mark.parametrize("rest", [[], TEXT, SECOND])
def test_arguments_that_are_no_object_are_an_error(arguments: str, rest: list[Delta]) -> None:
    call = Delta("", tool_calls=[ToolCallDelta(0, "call_a", "f", arguments)])
    with pytest.raises(InvalidToolCall, match="'f'"):
        whole([START, call, *rest, end("tool_calls")])
