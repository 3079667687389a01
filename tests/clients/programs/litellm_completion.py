"""litellm: completions, streams, tools, schemas, embeddings and its errors."""

from __future__ import annotations

import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices

import litellm
from checks import CALLER, CHAT, EMBEDDER, QUESTION, TOKEN, URL, check, require, run

SERVER: Any = {"api_base": f"{URL}v1", "api_key": TOKEN, "num_retries": 0}
HELLO = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
        },
    },
}


@check
def chat() -> None:
    reply = litellm.completion(f"openai/{CHAT}", HELLO, max_tokens=8, **SERVER)
    require(reply.choices[0].message.content, reply)


@check
def stream() -> None:
    pieces = list(litellm.completion(f"openai/{CHAT}", HELLO, max_tokens=8, stream=True, **SERVER))
    require(len(pieces) > 2, pieces)


@check
def tools() -> None:
    messages = [{"role": "user", "content": QUESTION}]
    for streamed in (False, True):
        reply = litellm.completion(
            f"openai/{CALLER}",
            messages,
            tools=[TOOL],
            temperature=0,
            stream=streamed,
            **SERVER,
        )
        if streamed:
            reply = litellm.stream_chunk_builder(list(reply), messages=messages)
        (call,) = reply.choices[0].message.tool_calls
        require(json.loads(call.function.arguments) == {"city": "Oslo"}, call)


@check
def schema() -> None:
    reply = litellm.completion(
        f"openai/{CHAT}",
        HELLO,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": TOOL["function"]["parameters"]},
        },
        max_tokens=200,
        **SERVER,
    )
    require("city" in json.loads(reply.choices[0].message.content), reply)


@check
def too_long() -> None:
    """Its own class of error starts fallbacks to models with a longer context."""
    try:
        long = [{"role": "user", "content": "word " * 20_000}]
        litellm.completion(f"openai/{CHAT}", long, **SERVER)
    except litellm.ContextWindowExceededError:
        return
    raise AssertionError("A prompt that is too long was accepted.")


@check
def embeddings() -> None:
    reply = litellm.embedding(f"openai/{EMBEDDER}", ["one", "two"], **SERVER)
    require(len(reply.data) == 2, reply)


run()
