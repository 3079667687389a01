"""The openai package: chat, streams, tools, parsed models and embeddings."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from checks import CALLER, CHAT, EMBEDDER, QUESTION, TOKEN, URL, check, require, run, weather
from openai import AuthenticationError, BadRequestError, OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

client = OpenAI(base_url=f"{URL}v1", api_key=TOKEN, max_retries=0)
HELLO: Any = [{"role": "user", "content": "Say hello."}]


class get_weather(BaseModel):  # noqa: N801 - the name of the tool
    """Return the weather of a city."""

    city: str


class Animal(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


@check
def chat() -> None:
    reply = client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=8)
    require(reply.choices[0].message.content, reply)
    require(reply.usage and reply.usage.completion_tokens <= 8, reply)


@check
def stream() -> None:
    usage = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=CHAT, messages=HELLO, max_tokens=8, stream=True, stream_options=usage
        )
    )
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    require("".join(texts), chunks)
    require(chunks[-1].usage and 0 < chunks[-1].usage.completion_tokens <= 8, chunks[-1])


@check
def tools() -> None:
    """The model calls by itself, and answers with the result."""
    messages: Any = [{"role": "user", "content": QUESTION}]
    options: Any = {"model": CALLER, "tools": [pydantic_function_tool(get_weather)]}
    reply = client.chat.completions.create(messages=messages, temperature=0, **options)
    message = reply.choices[0].message
    require(reply.choices[0].finish_reason == "tool_calls", reply)
    (call,) = message.tool_calls or []
    city = json.loads(call.function.arguments)["city"]
    result = {"role": "tool", "tool_call_id": call.id, "content": weather(city)}
    messages += [message, result]
    reply = client.chat.completions.create(messages=messages, temperature=0, **options)
    require("3 degrees" in (reply.choices[0].message.content or ""), reply)


@check
def streamed_tools() -> None:
    messages: Any = [{"role": "user", "content": QUESTION}]
    with client.chat.completions.stream(
        model=CALLER,
        messages=messages,
        tools=[pydantic_function_tool(get_weather)],
        temperature=0,
    ) as events:
        kinds = [event.type for event in events]
        reply = events.get_final_completion()
    require("tool_calls.function.arguments.delta" in kinds, kinds)
    (call,) = reply.choices[0].message.tool_calls or []
    require(isinstance(call.function.parsed_arguments, get_weather), call)


@check
def required_tools() -> None:
    reply = client.chat.completions.create(
        model=CHAT,
        messages=HELLO,
        tools=[pydantic_function_tool(get_weather)],
        tool_choice="required",
    )
    (call, *_) = reply.choices[0].message.tool_calls or []
    get_weather.model_validate_json(call.function.arguments)


@check
def parsed_model() -> None:
    reply = client.chat.completions.parse(
        model=CHAT,
        messages=[{"role": "user", "content": "Describe a cat as JSON."}],
        response_format=Animal,
        max_tokens=200,
    )
    require(isinstance(reply.choices[0].message.parsed, Animal), reply)


@check
def embeddings() -> None:
    reply = client.embeddings.create(model=EMBEDDER, input=["one", "two"])
    require(len(reply.data) == 2 and len(reply.data[0].embedding) > 1, reply)


@check
def errors() -> None:
    try:
        OpenAI(base_url=f"{URL}v1", api_key="wrong", max_retries=0).models.list()
    except AuthenticationError:
        pass
    else:
        raise AssertionError("A wrong key was accepted.")
    try:
        long: Any = [{"role": "user", "content": "word " * 20_000}]
        client.chat.completions.create(model=CHAT, messages=long)
    except BadRequestError as error:
        require(error.code == "context_length_exceeded", error)
    else:
        raise AssertionError("A prompt that is too long was accepted.")


run()
