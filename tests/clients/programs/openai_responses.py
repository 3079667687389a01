"""The openai package with the Responses API: whole, streamed, tools, parsed, stored, background."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Literal

from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run, weather
from openai import BadRequestError, NotFoundError, OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

client = OpenAI(base_url=f"{URL}v1", api_key=TOKEN, max_retries=0)

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Return the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class get_weather(BaseModel):  # noqa: N801 - the name of the tool
    """Return the weather of a city."""

    city: str


class Animal(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


@check
def create() -> None:
    reply = client.responses.create(
        model=CHAT, instructions="Be brief.", input="Say hello.", max_output_tokens=8
    )
    require(reply.output_text, reply)
    require(reply.usage and reply.usage.output_tokens <= 8, reply)


@check
def stream() -> None:
    with client.responses.stream(model=CHAT, input="Say hello.", temperature=0) as events:
        kinds = [event.type for event in events]
        reply = events.get_final_response()
    require(kinds[0] == "response.created" and "response.output_text.delta" in kinds, kinds)
    require(reply.output_text, reply)


@check
def events() -> None:
    stream = client.responses.create(
        model=CHAT, input="Say hello.", max_output_tokens=8, stream=True
    )
    numbers = [event.sequence_number for event in stream]
    require(numbers == [*range(len(numbers))], numbers)


@check
def tools() -> None:
    """The model calls by itself, and answers with the result, in a stored conversation."""
    options: Any = {"model": CALLER, "tools": [TOOL], "temperature": 0}
    reply = client.responses.create(input=QUESTION, **options)
    (call,) = [item for item in reply.output if item.type == "function_call"]
    result = weather(json.loads(call.arguments)["city"])
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": result}
    stored = client.responses.create(input=[output], previous_response_id=reply.id, **options)
    require("3 degrees" in stored.output_text, stored)
    history: Any = [{"role": "user", "content": QUESTION}, *reply.output, output]
    stateless = client.responses.create(input=history, store=False, **options)
    require(stateless.output_text == stored.output_text, (stateless, stored))


@check
def streamed_tools() -> None:
    tool: Any = pydantic_function_tool(get_weather)["function"] | {"type": "function"}
    with client.responses.stream(
        model=CALLER, input=QUESTION, tools=[tool], temperature=0
    ) as events:
        kinds = [event.type for event in events]
        reply = events.get_final_response()
    require("response.function_call_arguments.delta" in kinds, kinds)
    (call,) = [item for item in reply.output if item.type == "function_call"]
    require(json.loads(call.arguments)["city"] == "Oslo", call)


@check
def parse() -> None:
    reply = client.responses.parse(
        model=CHAT,
        input="Describe a cat as JSON.",
        text_format=Animal,
        max_output_tokens=200,
    )
    require(isinstance(reply.output_parsed, Animal), reply)


@check
def background() -> None:
    reply = client.responses.create(
        model=CHAT, input="Say hello.", max_output_tokens=8, background=True
    )
    while reply.status in ("queued", "in_progress"):
        time.sleep(0.1)
        reply = client.responses.retrieve(reply.id)
    require(reply.output_text, reply)
    client.responses.delete(reply.id)
    try:
        client.responses.retrieve(reply.id)
    except NotFoundError:
        return
    raise AssertionError("A deleted response was found.")


@check
def cancel() -> None:
    reply = client.responses.create(
        model=CHAT, input="Tell a long story.", max_output_tokens=3000, background=True
    )
    require(client.responses.cancel(reply.id).status == "cancelled", reply)


@check
def input_tokens() -> None:
    counted = client.responses.input_tokens.count(model=CHAT, input="Say hello.")
    reply = client.responses.create(model=CHAT, input="Say hello.", max_output_tokens=16)
    require(reply.usage and reply.usage.input_tokens == counted.input_tokens, (reply, counted))


@check
def errors() -> None:
    try:
        client.responses.create(model=CHAT, input="Hello", tools=[{"type": "web_search"}])
    except BadRequestError as error:
        require(str(error.param).startswith("tools"), error)
    else:
        raise AssertionError("A tool of OpenAI's servers was accepted.")


run()
