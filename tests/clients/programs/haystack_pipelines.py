"""Haystack: the chat generator with tools, and its agent."""

from __future__ import annotations

from typing import Annotated

from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run
from checks import weather as weather_of
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret


@tool
def get_weather(city: Annotated[str, "Name of the city"]) -> str:
    """Return the weather of a city."""
    return weather_of(city)


def generator(name: str, **options: object) -> OpenAIChatGenerator:
    return OpenAIChatGenerator(
        api_key=Secret.from_token(TOKEN),
        model=name,
        api_base_url=f"{URL}v1",
        max_retries=0,
        generation_kwargs=options,
    )


@check
def chat() -> None:
    reply = generator(CHAT, max_tokens=8).run([ChatMessage.from_user("Say hello.")])
    require(reply["replies"][0].text, reply)


@check
def agent() -> None:
    caller = Agent(chat_generator=generator(CALLER, temperature=0), tools=[get_weather])
    reply = caller.run(messages=[ChatMessage.from_user(QUESTION)])
    require("3 degrees" in (reply["messages"][-1].text or ""), reply)


run()
