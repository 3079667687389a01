"""chatlas with its classes for OpenAI, Anthropic and Ollama: chat, streams, tools, data."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any, Literal

from chatlas import ChatAnthropic, ChatOllama, ChatOpenAI, ChatOpenAICompletions
from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run, weather
from pydantic import BaseModel


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Literal[2, 4]


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather(city)


def openai(model: str) -> Any:
    return ChatOpenAI(model=model, base_url=f"{URL}v1", api_key=TOKEN)


def completions(model: str) -> Any:
    return ChatOpenAICompletions(model=model, base_url=f"{URL}v1", api_key=TOKEN)


def anthropic(model: str) -> Any:
    return ChatAnthropic(model=model, max_tokens=200, api_key=TOKEN, kwargs={"base_url": URL})


def ollama(model: str) -> Any:
    """Return a chat of the class that asks for the models without a token."""
    opener = urllib.request.build_opener()
    opener.addheaders = [("Authorization", f"Bearer {TOKEN}")]
    urllib.request.install_opener(opener)
    return ChatOllama(model, base_url=URL.rstrip("/"), kwargs={"api_key": TOKEN})


def checks_of(name: str, make: Callable[[str], Any]) -> None:
    def short() -> Any:
        chat = make(CHAT)
        chat.set_model_params(max_tokens=16)
        return chat

    def chat() -> None:
        require(str(short().chat("Say hello.", echo="none")), "no text")

    def stream() -> None:
        require("".join(short().stream("Say hello.", echo="none")), "no text")

    def tools() -> None:
        chat = make(CALLER)
        chat.register_tool(get_weather)
        require("3 degrees" in str(chat.chat(QUESTION, echo="none")), chat)

    def structured() -> None:
        found = make(CHAT).chat_structured("Describe a cat.", data_model=Animal)
        require(isinstance(found, Animal), found)

    for function in (chat, stream, tools, structured):
        function.__name__ = f"{name}_{function.__name__}"
        check(function)


checks_of("openai", openai)
checks_of("completions", completions)
checks_of("anthropic", anthropic)
checks_of("ollama", ollama)

run()
