"""OpenAI's replies, validated with the types of the ``openai`` package."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import (
    Delta,
    Embedded,
    Finished,
    Reading,
    Started,
    Timings,
    TokenLogprob,
)
from a3s_power_jupyter.handlers.json_reply import encode_pieces
from a3s_power_jupyter.handlers.openai.chat_replies import ChatReply
from a3s_power_jupyter.handlers.openai.embeddings import embedding_reply
from a3s_power_jupyter.handlers.openai.replies import CompletionReply, GenerationReply
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion, read_embedding
from support.items import finished

HELLO = TokenLogprob("Hel", [72, 101, 108], -0.5, [("Hel", [72, 101, 108], -0.5)])
LO = TokenLogprob("lo", [108, 111], -0.25, [("lo", [108, 111], -0.25), ("p", [112], -2.0)])
ITEMS = [Started(7, 3), Delta("Hel", [HELLO]), Delta("lo", [LO]), finished("stop", 7, 2, 3)]


def chat_reply(**fields: Any) -> ChatReply:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return ChatReply(read_chat(body | fields))


def completion_reply(**fields: Any) -> CompletionReply:
    return CompletionReply(read_completion({"model": "m", "prompt": "Hi"} | fields))


def feed(reply: GenerationReply, choices: int = 1) -> None:
    for item in ITEMS:
        for i in range(choices):
            reply.add(i, item)


def chunks_of(reply: GenerationReply) -> list[dict[str, Any]]:
    return [decoded(chunk) for item in ITEMS for chunk in reply.chunks(0, item)]


def decoded(reply: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b"".join(encode_pieces(reply)))
    return value


def test_chat() -> None:
    reply = chat_reply()
    feed(reply)
    read = ChatCompletion.model_validate(decoded(reply.result()), strict=True)
    (choice,) = read.choices
    assert read.id.startswith("chatcmpl-")
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello")
    assert choice.finish_reason == "stop"
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert [token.token for token in choice.logprobs.content] == ["Hel", "lo"]
    assert choice.logprobs.content[1].top_logprobs[1].logprob == -2.0
    assert read.usage is not None
    assert (read.usage.prompt_tokens, read.usage.completion_tokens) == (7, 2)
    assert read.usage.total_tokens == 9
    assert read.usage.prompt_tokens_details is not None
    assert read.usage.prompt_tokens_details.cached_tokens == 3


def test_chat_chunks() -> None:
    chunks = [ChatCompletionChunk.model_validate(chunk) for chunk in chunks_of(chat_reply())]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert [delta.role for delta in deltas] == ["assistant", None, None, None]
    assert [delta.content for delta in deltas] == ["", "Hel", "lo", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_the_usage_chunk() -> None:
    reply = chat_reply(stream=True, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in chunks_of(reply))
    last = ChatCompletionChunk.model_validate(reply.usage_chunk())
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 9


#: The timings of the items.
TIMINGS = {
    "cache_n": 3,
    "prompt_n": 4,
    "prompt_ms": 10.0,
    "prompt_per_token_ms": 2.5,
    "prompt_per_second": 400.0,
    "predicted_n": 2,
    "predicted_ms": 20.0,
    "predicted_per_token_ms": 10.0,
    "predicted_per_second": 100.0,
}


@pytest.mark.parametrize("make", [chat_reply, completion_reply])
def test_a_reply_has_the_timings_of_the_engine(make: Any) -> None:
    reply = make()
    feed(reply)
    timings = decoded(reply.result())["timings"]
    assert timings == TIMINGS
    assert list(timings) == list(TIMINGS)


@pytest.mark.parametrize("make", [chat_reply, completion_reply])
def test_the_last_chunk_has_the_timings(make: Any) -> None:
    *others, last = chunks_of(make(stream=True))
    assert last["timings"] == TIMINGS
    assert not any("timings" in chunk for chunk in others)
    reply = make(stream=True, stream_options={"include_usage": True})
    assert not any("timings" in chunk for chunk in chunks_of(reply))
    assert reply.usage_chunk()["timings"] == TIMINGS


def test_timings_are_the_sums_of_all_choices() -> None:
    reply = completion_reply(prompt=["a", "b"], n=2, stream=True)
    *others, last = (c for item in ITEMS for i in range(4) for c in reply.chunks(i, item))
    assert not any("timings" in chunk for chunk in others)
    assert last["timings"] == TIMINGS | {
        "cache_n": 12,
        "prompt_n": 16,
        "prompt_ms": 40.0,
        "predicted_n": 8,
        "predicted_ms": 80.0,
    }


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_speed_without_a_duration_is_zero(tokens: int) -> None:
    reply = chat_reply()
    end = Finished("stop", 7, tokens, 7, Timings(0, 0.0, tokens, 0.0, 7))
    reply.add(0, end)
    timings = decoded(reply.result())["timings"]
    speeds = [value for name, value in timings.items() if "per" in name]
    assert speeds == [0.0] * 4


@pytest.mark.parametrize("make", [chat_reply, completion_reply])
def test_a_chunk_has_the_progress_in_the_prompt(make: Any) -> None:
    [chunk] = map(decoded, make(stream=True).chunks(0, Reading(5, 7, 3, 125.0)))
    progress = {"total": 7, "cache": 3, "processed": 5, "time_ms": 125.0}
    assert chunk["prompt_progress"] == progress
    [choice] = chunk["choices"]
    assert choice["finish_reason"] is None
    assert choice.get("delta", {}) == {}
    assert choice.get("text", "") == ""


def test_a_chunk_has_the_timings_so_far_if_the_engine_sent_them() -> None:
    delta = Delta("Hel", timings=Timings(4, 10.0, 2, 20.0, 3))
    [chunk] = map(decoded, chat_reply().chunks(0, delta))
    assert chunk["timings"] == TIMINGS


def test_a_prompt_is_counted_once_for_all_choices() -> None:
    reply = chat_reply(n=2)
    feed(reply, choices=2)
    read = ChatCompletion.model_validate(decoded(reply.result()))
    assert [choice.index for choice in read.choices] == [0, 1]
    assert read.usage is not None
    assert (read.usage.prompt_tokens, read.usage.completion_tokens) == (7, 4)


def test_every_prompt_is_counted() -> None:
    reply = completion_reply(prompt=["a", "b"], n=2)
    feed(reply, choices=4)
    usage = reply.usage()
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (14, 8)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 6}


def test_completion() -> None:
    reply = completion_reply()
    reply.add(0, ITEMS[0])
    prompt = [TokenLogprob("Hi", list(b"Hi"), None, [])]
    reply.add(0, Delta("Hi", prompt, tokens=0))  # the echoed prompt
    for item in ITEMS[1:]:
        reply.add(0, item)
    (choice,) = decoded(reply.result())["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("HiHello", "stop")
    assert choice["logprobs"] == {  # the first token has null in OpenAI's replies, too
        "tokens": ["Hi", "Hel", "lo"],
        "token_logprobs": [None, -0.5, -0.25],
        "top_logprobs": [None, {"Hel": -0.5}, {"lo": -0.25, "p": -2.0}],
        "text_offset": [0, 2, 5],
    }


def test_a_completion_without_a_scored_prompt_is_as_openai_defines_it() -> None:
    reply = completion_reply()
    for item in ITEMS:
        reply.add(0, item)
    read = Completion.model_validate(decoded(reply.result()), strict=True)
    assert read.choices[0].logprobs is not None
    assert read.choices[0].logprobs.token_logprobs == [-0.5, -0.25]


def test_tokens_of_a_completion_have_positions_in_the_text() -> None:
    """Also if their text is held back, or they are a part of a character."""
    dog = "🐶".encode()
    tokens = [
        TokenLogprob("a", [97], -1.0, []),
        TokenLogprob("\ufffd", list(dog[:2]), -1.0, [("\ufffd", [0xF0], -2.0)]),
        TokenLogprob("\ufffd", list(dog[2:]), -1.0, [("\ufffd", list(dog[2:]), -1.0)]),
        TokenLogprob("b", [98], -1.0, []),
    ]
    reply = completion_reply()
    reply.add(0, ITEMS[0])
    reply.add(0, Delta("", tokens[:2]))
    reply.add(0, Delta("a🐶", tokens[2:3]))
    reply.add(0, Delta("b", tokens[3:]))
    reply.add(0, ITEMS[-1])
    logprobs = decoded(reply.result())["choices"][0]["logprobs"]
    assert logprobs["text_offset"] == [0, 1, 1, 2]
    first, second = r"bytes:\xf0\x9f", r"bytes:\x90\xb6"
    assert logprobs["tokens"] == ["a", first, second, "b"]
    assert logprobs["top_logprobs"][1:3] == [{first: -1.0, r"bytes:\xf0": -2.0}, {second: -1.0}]


def test_completion_chunks() -> None:
    chunks = chunks_of(completion_reply())
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Hel", "lo", ""]
    offsets = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [lists and lists["text_offset"] for lists in offsets] == [[0], [3], None]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


VECTORS = Embedded(struct.pack("<8f", 0.5, 0.5, 0.5, 0.5, 1, 0, 0, 0), 4, 9)


def embed(**fields: Any) -> dict[str, Any]:
    call = read_embedding({"model": "m", "input": ["a", "b"]} | fields)
    return decoded(embedding_reply(call, VECTORS))


def test_embeddings() -> None:
    read = CreateEmbeddingResponse.model_validate(embed(), strict=True)
    assert [row.embedding for row in read.data] == [[0.5] * 4, [1.0, 0.0, 0.0, 0.0]]
    assert [row.index for row in read.data] == [0, 1]
    assert (read.usage.prompt_tokens, read.usage.total_tokens) == (9, 9)


def test_base64_is_little_endian_float32() -> None:
    first = embed(encoding_format="base64")["data"][0]["embedding"]
    assert base64.b64decode(first) == VECTORS.vectors[:16]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_fewer_dimensions_are_normalized_again(encoding: str) -> None:
    rows = [row["embedding"] for row in embed(dimensions=2, encoding_format=encoding)["data"]]
    if encoding == "base64":
        rows = [list(struct.unpack("<2f", base64.b64decode(row))) for row in rows]
    assert rows[0] == pytest.approx([math.sqrt(0.5)] * 2)
    assert rows[1] == [1.0, 0.0]


def test_more_dimensions_than_the_model_has() -> None:
    with pytest.raises(InvalidParameter, match="4 dimensions"):
        embed(dimensions=5)
