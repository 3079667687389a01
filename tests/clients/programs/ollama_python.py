"""The ollama package: chats, streams, tools, structured output, embeddings and models."""

from __future__ import annotations

from typing import Literal

from checks import (
    CALLER,
    CHAT,
    EMBEDDER,
    PULLED,
    QUESTION,
    TOKEN,
    URL,
    check,
    require,
    run,
    weather,
)
from ollama import Client, ResponseError
from pydantic import BaseModel

client = Client(host=URL, headers={"Authorization": f"Bearer {TOKEN}"})
HELLO = [{"role": "user", "content": "Say hello."}]
FEW = {"num_predict": 8}


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Literal[2, 4]


def get_weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: Its name.
    """
    return weather(city)


@check
def chat() -> None:
    reply = client.chat(CHAT, HELLO, options=FEW)
    require(reply.message.content and reply.done, reply)
    require(reply.eval_count <= 8 and reply.total_duration > 0, reply)


@check
def stream() -> None:
    parts = list(client.chat(CHAT, HELLO, options=FEW, stream=True))
    require("".join(part.message.content for part in parts), parts)
    require([part.done for part in parts] == [False] * (len(parts) - 1) + [True], parts)


@check
def generate() -> None:
    require(client.generate(CHAT, "Say hello.", options=FEW).response, "no text")
    parts = list(client.generate(CHAT, "Once upon", raw=True, options=FEW, stream=True))
    require(0 < parts[-1].eval_count <= 8, parts)


@check
def tools() -> None:
    """The model calls by itself, and answers with the result."""
    messages = [{"role": "user", "content": QUESTION}]
    options = {"temperature": 0}
    reply = client.chat(CALLER, messages, tools=[get_weather], options=options)
    (call,) = reply.message.tool_calls or []
    result = get_weather(**call.function.arguments)
    messages += [reply.message, {"role": "tool", "content": result, "tool_name": "get_weather"}]
    reply = client.chat(CALLER, messages, tools=[get_weather], options=options)
    require("3 degrees" in reply.message.content, reply)


@check
def streamed_tools() -> None:
    messages = [{"role": "user", "content": QUESTION}]
    parts = client.chat(
        CALLER, messages, tools=[get_weather], options={"temperature": 0}, stream=True
    )
    calls = [call for part in parts for call in part.message.tool_calls or []]
    require([call.function.arguments for call in calls] == [{"city": "Oslo"}], calls)


@check
def structured() -> None:
    schema = Animal.model_json_schema()
    reply = client.chat(CHAT, HELLO, format=schema, options={"num_predict": 200})
    Animal.model_validate_json(reply.message.content)
    reply = client.generate(CHAT, "Describe a cat.", format=schema, options={"num_predict": 200})
    Animal.model_validate_json(reply.response)


@check
def think() -> None:
    require(client.chat(CHAT, HELLO, think=False, options=FEW).message.content, "no text")
    try:
        client.chat(CHAT, HELLO, think=True, options=FEW)
    except ResponseError as error:
        require(error.status_code == 400, error)
    else:
        raise AssertionError("A model without thoughts was asked to think.")


@check
def embeddings() -> None:
    reply = client.embed(EMBEDDER, ["one", "two"])
    require(len(reply.embeddings) == 2, reply)
    one = client.embeddings(EMBEDDER, "one").embedding
    require(max(abs(a - b) for a, b in zip(one, reply.embeddings[0], strict=True)) < 1e-4, one)


@check
def pull_copy_and_delete() -> None:
    progress = list(client.pull(PULLED, stream=True))
    require(progress[-1].status == "success", progress)
    require(any(part.total for part in progress), progress)
    require(client.pull(PULLED).status == "success", "pulled twice")
    client.copy(PULLED, "copied")
    client.delete(PULLED)
    require(client.show("copied").details.format == "gguf", "no copy")
    client.delete("copied")
    names = [model.model for model in client.list().models]
    require(not [name for name in names if "tiny" in name or "copied" in name], names)


@check
def show_and_ps() -> None:
    shown = client.show(CHAT)
    require("completion" in shown.capabilities and shown.modelinfo, shown)
    client.chat(CHAT, HELLO, options=FEW)
    require(f"{CHAT}:latest" in [model.model for model in client.ps().models], client.ps())


@check
def errors() -> None:
    try:
        client.chat("nope", HELLO)
    except ResponseError as error:
        require(error.status_code == 404 and "nope" in error.error, error)
    else:
        raise AssertionError("A model that does not exist answered.")


run()
