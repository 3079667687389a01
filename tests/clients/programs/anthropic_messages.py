"""The anthropic package: messages, streams, tools, counted tokens and errors."""

from __future__ import annotations

from typing import Any, Literal

from anthropic import Anthropic, AuthenticationError, BadRequestError, NotFoundError, beta_tool
from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run, weather
from pydantic import BaseModel

client = Anthropic(base_url=URL, api_key=TOKEN, max_retries=0)
HELLO: Any = [{"role": "user", "content": "Say hello."}]
TOOL: Any = {
    "name": "get_weather",
    "description": "Return the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
    },
}


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Literal[2, 4]


@check
def create() -> None:
    reply = client.messages.create(model=CHAT, messages=HELLO, system="Be brief.", max_tokens=8)
    require(reply.content[0].type == "text" and reply.content[0].text, reply)
    require(reply.usage.output_tokens <= 8, reply)


@check
def stream() -> None:
    with client.messages.stream(model=CHAT, messages=HELLO, max_tokens=8) as stream:
        text = "".join(stream.text_stream)
        reply = stream.get_final_message()
    require(text and reply.content[0].text == text, reply)
    require(reply.stop_reason in ("max_tokens", "end_turn"), reply)


@check
def tools() -> None:
    """The model calls by itself, and answers with the result."""
    messages: Any = [{"role": "user", "content": QUESTION}]
    options: Any = {"model": CALLER, "tools": [TOOL], "max_tokens": 100}
    reply = client.messages.create(messages=messages, **options)
    require(reply.stop_reason == "tool_use", reply)
    (call,) = [block for block in reply.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": weather(call.input["city"])}
    messages += [
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [result]},
    ]
    reply = client.messages.create(messages=messages, **options)
    require("3 degrees" in reply.content[-1].text, reply)


@check
def streamed_tools() -> None:
    with client.messages.stream(
        model=CALLER,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[TOOL],
        max_tokens=100,
    ) as stream:
        kinds = [event.type for event in stream]
        reply = stream.get_final_message()
    require("input_json" in kinds, kinds)
    require(reply.content[-1].input == {"city": "Oslo"}, reply)


@check
def required_tools() -> None:
    choice: Any = {"type": "tool", "name": "get_weather"}
    reply = client.messages.create(
        model=CHAT, messages=HELLO, tools=[TOOL], tool_choice=choice, max_tokens=200
    )
    require(isinstance(reply.content[-1].input["city"], str), reply)


@check
def tool_runner() -> None:
    @beta_tool
    def get_weather(city: str) -> str:
        """Return the weather of a city.

        Args:
            city: Its name.
        """
        return weather(city)

    runner = client.beta.messages.tool_runner(
        model=CALLER,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[get_weather],
        max_tokens=100,
    )
    reply = runner.until_done()
    require("3 degrees" in reply.content[-1].text, reply)


@check
def parse() -> None:
    reply = client.messages.parse(model=CHAT, messages=HELLO, output_format=Animal, max_tokens=200)
    require(isinstance(reply.parsed_output, Animal), reply)


@check
def count_tokens() -> None:
    counted = client.messages.count_tokens(model=CHAT, messages=HELLO)
    reply = client.messages.create(model=CHAT, messages=HELLO, max_tokens=1)
    cached = reply.usage.cache_read_input_tokens or 0
    require(counted.input_tokens == reply.usage.input_tokens + cached, (counted, reply))


@check
def models() -> None:
    require(CHAT in [model.id for model in client.models.list()], "no model")


@check
def errors() -> None:
    expected: list[tuple[type[Exception], Any, dict[str, Any]]] = [
        (AuthenticationError, Anthropic(base_url=URL, api_key="wrong", max_retries=0), {}),
        (NotFoundError, client, {"model": "nope"}),
        (BadRequestError, client, {"messages": [{"role": "user", "content": "word " * 20_000}]}),
        (BadRequestError, client, {"tools": [{"type": "web_search_20250305", "name": "w"}]}),
    ]
    for kind, used, changes in expected:
        options: Any = {"model": CHAT, "messages": HELLO, "max_tokens": 8, **changes}
        try:
            used.messages.create(**options)
        except kind as error:
            require(error.body["error"]["message"], error)
        else:
            raise AssertionError(f"no {kind.__name__} for {changes}")


run()
