"""Replies and lines of Ollama's API, validated with the types of the ``ollama`` package."""

from __future__ import annotations

import json
import struct
from datetime import datetime
from typing import Any

import pytest
from ollama import _types as types

from a3s_power_jupyter.contract.errors import InvalidParameter, InvalidToolCall
from a3s_power_jupyter.contract.types import (
    Delta,
    Embedded,
    FinishReason,
    GenerationItem,
    Reading,
    Started,
    Timings,
    TokenLogprob,
    ToolCallDelta,
)
from a3s_power_jupyter.handlers.json_reply import encode_pieces
from a3s_power_jupyter.handlers.ollama.clock import Clock
from a3s_power_jupyter.handlers.ollama.embed import embed_reply, embeddings_reply, read_embed
from a3s_power_jupyter.handlers.ollama.replies import ChatReply, GenerateReply, GenerationReply
from support.items import finished

HELLO = TokenLogprob("Hel", [72, 101, 108], -0.5, [("Hel", [72, 101, 108], -0.5)])
LO = TokenLogprob("lo", [108, 111], -0.25, [])
END = finished("stop", 7, 3, 2)
TEXT: list[GenerationItem] = [
    Started(7, 2),
    Reading(7, 7, 2, 1.0),
    Delta("", reasoning="Hm."),
    Delta("Hel", [HELLO]),
    Delta("lo", [LO]),
    END,
]


def with_calls(reason: FinishReason, *parts: ToolCallDelta) -> list[GenerationItem]:
    return [Started(7, 0), *(Delta("", tool_calls=[p]) for p in parts), finished(reason, 7, 9)]


PARIS = ToolCallDelta(0, "c1", "weather", '{"city": ')
CALLS = with_calls(
    "tool_calls", PARIS, ToolCallDelta(0, arguments='"Paris"}'), ToolCallDelta(1, "c2", "now")
)


class Ticks:
    """A clock that is one second later at each look."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def decoded(reply: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b"".join(encode_pieces(reply)))
    return value


def lines(reply: GenerationReply, items: list[GenerationItem]) -> list[dict[str, Any]]:
    return [decoded(line) for item in items for line in reply.lines(item)]


def whole(reply: GenerationReply, items: list[GenerationItem]) -> dict[str, Any]:
    for item in items:
        reply.add(item)
    return decoded(reply.result())


def read_by_client(type_: Any, body: dict[str, Any]) -> Any:
    """Parse a reply, and check that the client keeps every field of it."""
    parsed = type_(**body)
    assert parsed.model_dump(exclude_unset=True) == known(body)
    return parsed


def known(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Remove what Ollama sends and its Python client does not know."""
    newer = {("function", "index"), ("tool_calls", "id"), ("logprobs", "bytes")}
    newer |= {("top_logprobs", "bytes")}
    if isinstance(value, list):
        return [known(item, path) for item in value]
    if isinstance(value, dict):
        return {
            name: known(item, (*path, name))
            for name, item in value.items()
            if (*path, name)[-2:] not in newer
        }
    return value


def chat_reply() -> ChatReply:
    return ChatReply("m", Clock(Ticks()))


def generate_reply() -> GenerateReply:
    return GenerateReply("m", Clock(Ticks()))


# ---------------------------------------------------------------- texts


def test_the_lines_of_a_chat() -> None:
    parsed = [read_by_client(types.ChatResponse, line) for line in lines(chat_reply(), TEXT)]
    assert [line.message.content for line in parsed] == ["", "Hel", "lo", ""]
    assert [line.message.thinking for line in parsed] == ["Hm.", None, None, None]
    assert {line.message.role for line in parsed} == {"assistant"}
    assert [line.done for line in parsed] == [False, False, False, True]
    assert [line.logprobs and line.logprobs[0].token for line in parsed[1:]] == ["Hel", "lo", None]
    assert parsed[0].done_reason is None
    check_end(parsed[-1])


def test_a_whole_chat() -> None:
    parsed = read_by_client(types.ChatResponse, whole(chat_reply(), TEXT))
    assert (parsed.message.content, parsed.message.thinking) == ("Hello", "Hm.")
    assert [entry.logprob for entry in parsed.logprobs] == [-0.5, -0.25]
    assert parsed.logprobs[0].top_logprobs[0].token == "Hel"
    check_end(parsed)


def test_the_lines_of_a_completion() -> None:
    got = [read_by_client(types.GenerateResponse, line) for line in lines(generate_reply(), TEXT)]
    assert [line.response for line in got] == ["", "Hel", "lo", ""]
    assert got[0].thinking == "Hm."
    check_end(got[-1])


def test_a_whole_completion() -> None:
    parsed = read_by_client(types.GenerateResponse, whole(generate_reply(), TEXT))
    assert (parsed.response, parsed.thinking) == ("Hello", "Hm.")
    check_end(parsed)


def check_end(parsed: Any) -> None:
    assert (parsed.model, parsed.done, parsed.done_reason) == ("m", True, "stop")
    assert datetime.fromisoformat(parsed.created_at).tzinfo is not None
    assert (parsed.prompt_eval_count, parsed.eval_count) == (7, 3)
    # The request came at second 101, the answer began at 102 after 10 ms for the prompt.
    assert parsed.total_duration == 2_000_000_000
    assert parsed.load_duration == 990_000_000
    assert (parsed.prompt_eval_duration, parsed.eval_duration) == (10_000_000, 20_000_000)


@pytest.mark.parametrize(
    ("reason", "word"), [("stop", "stop"), ("length", "length"), ("tool_calls", "stop")]
)
def test_done_reasons(reason: FinishReason, word: str) -> None:
    items: list[GenerationItem] = [Started(1, 0), finished(reason, 1, 1)]
    assert whole(chat_reply(), items)["done_reason"] == word
    assert lines(generate_reply(), items)[-1]["done_reason"] == word


def test_held_back_text_has_no_line() -> None:
    assert lines(chat_reply(), [Started(1, 0), Delta("")]) == []


def test_the_parts_of_an_answer_take_no_longer_than_the_whole() -> None:
    clock = Clock(Ticks())  # two seconds in all, one before the answer begins
    clock.answers()
    assert clock.of_answer(Timings(1, 100.0, 0, 1500.0))["load_duration"] == 400_000_000


def test_the_load_takes_no_negative_time() -> None:
    clock = Clock(Ticks())
    clock.answers()
    assert clock.of_answer(Timings(1, 5000.0, 0, 0.0))["load_duration"] == 0


def test_an_answer_of_one_token_takes_time() -> None:
    """Clients divide by it."""
    clock = Clock(Ticks())
    clock.answers()
    durations = clock.of_answer(Timings(1, 100.0, 1, 0.0))
    assert durations["eval_duration"] == 1_000_000_000
    assert durations["load_duration"] == 900_000_000


# ---------------------------------------------------------------- calls


def test_calls_are_streamed_whole() -> None:
    first, last = lines(chat_reply(), CALLS)
    parsed = read_by_client(types.ChatResponse, first)
    assert [call.function.arguments for call in parsed.message.tool_calls] == [
        {"city": "Paris"},
        {},
    ]
    assert [call["id"] for call in first["message"]["tool_calls"]] == ["c1", "c2"]
    assert [call["function"]["index"] for call in first["message"]["tool_calls"]] == [0, 1]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert "tool_calls" not in last["message"]


def test_calls_in_a_whole_reply() -> None:
    parsed = read_by_client(types.ChatResponse, whole(chat_reply(), CALLS))
    assert [call.function.name for call in parsed.message.tool_calls] == ["weather", "now"]
    assert parsed.message.content == ""


def test_numbers_in_arguments_stay_as_they_are() -> None:
    part = ToolCallDelta(0, "c", "f", '{"a": 12345678901234567890123, "b": 1e400}')
    reply = chat_reply()
    encoded = b"".join(
        b"".join(encode_pieces(line))
        for item in with_calls("tool_calls", part)
        for line in reply.lines(item)
    )
    assert b'{"a": 12345678901234567890123, "b": 1e400}' in encoded


def test_a_call_that_is_cut_off_is_left_out() -> None:
    items = with_calls(
        "length", ToolCallDelta(0, "c", "f", "{}"), ToolCallDelta(1, "d", "g", '{"a')
    )
    reply = whole(chat_reply(), items)
    assert [call["function"]["name"] for call in reply["message"]["tool_calls"]] == ["f"]
    assert reply["done_reason"] == "length"
    assert "tool_calls" not in whole(chat_reply(), with_calls("length", PARIS))["message"]


@pytest.mark.parametrize("arguments", ["[1]", '"x"', "{", "nonsense"])
def test_arguments_that_are_no_object_are_an_error(arguments: str) -> None:
    items = with_calls("tool_calls", ToolCallDelta(0, "c", "f", arguments))
    with pytest.raises(InvalidToolCall, match="not a JSON object"):
        lines(chat_reply(), items)


# ---------------------------------------------------------------- loads and embeddings


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_load(reason: str) -> None:
    chat = read_by_client(types.ChatResponse, decoded(chat_reply().without_answer(reason)))
    assert (chat.message.content, chat.done, chat.done_reason) == ("", True, reason)
    generated = decoded(generate_reply().without_answer(reason))
    parsed = read_by_client(types.GenerateResponse, generated)
    assert (parsed.response, parsed.done_reason) == ("", reason)
    assert parsed.load_duration == parsed.total_duration == 1_000_000_000


EMBEDDED = Embedded(struct.pack("<4f", 0.6, 0.8, 0, 1), 2, 5)


def test_embeddings() -> None:
    clock = Clock(Ticks())
    clock.is_loaded()
    call = read_embed({"model": "m", "input": ["a", "b"]})
    parsed = read_by_client(types.EmbedResponse, decoded(embed_reply(call, EMBEDDED, clock)))
    assert [list(map(pytest.approx, row)) for row in parsed.embeddings] == [[0.6, 0.8], [0, 1]]
    assert (parsed.prompt_eval_count, parsed.model) == (5, "m")
    assert (parsed.load_duration, parsed.total_duration) == (1_000_000_000, 2_000_000_000)
    one = read_by_client(types.EmbeddingsResponse, embeddings_reply(EMBEDDED))
    assert list(one.embedding) == pytest.approx([0.6, 0.8])


def test_shorter_embeddings_are_normalized() -> None:
    call = read_embed({"model": "m", "input": ["a", "b"], "dimensions": 1})
    assert decoded(embed_reply(call, EMBEDDED, Clock()))["embeddings"] == [[1], [0]]
    call = read_embed({"model": "m", "input": "a", "dimensions": 3})
    with pytest.raises(InvalidParameter):
        embed_reply(call, EMBEDDED, Clock())


def test_no_texts_have_no_embeddings() -> None:
    call = read_embed({"model": "m", "input": []})
    reply = read_by_client(types.EmbedResponse, decoded(embed_reply(call, None, Clock())))
    assert list(reply.embeddings) == []
    assert embeddings_reply(None) == {"embedding": []}
