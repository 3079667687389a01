"""pydantic-ai: agents with tools, typed outputs and streams."""

from __future__ import annotations

from typing import Annotated, Literal

from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run, weather
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=f"{URL}v1", api_key=TOKEN)


class Animal(BaseModel):
    """An animal."""

    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


def agent(name: str, **options: object) -> Agent:
    return Agent(OpenAIChatModel(name, provider=provider), **options)


@check
def chat() -> None:
    reply = agent(CHAT, model_settings={"max_tokens": 8}).run_sync("Say hello.")
    require(reply.output, reply)


@check
async def stream() -> None:
    async with agent(CHAT, model_settings={"max_tokens": 8}).run_stream("Say hello.") as reply:
        texts = [text async for text in reply.stream_text(delta=True)]
    require("".join(texts), texts)


@check
def tools() -> None:
    caller = agent(CALLER, model_settings={"temperature": 0})

    @caller.tool_plain
    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return weather(city)

    reply = caller.run_sync(QUESTION)
    require("3 degrees" in reply.output, reply)


@check
def typed_output() -> None:
    """The output is a forced tool call, or an answer with a schema."""
    for output in (Animal, NativeOutput(Animal)):
        typed = agent(CHAT, output_type=output, model_settings={"max_tokens": 200})
        reply = typed.run_sync("Describe a cat.")
        require(isinstance(reply.output, Animal), reply)


run()
