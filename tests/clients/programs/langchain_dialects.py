"""LangChain with the classes for Ollama, for Anthropic, and for OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from checks import CALLER, CHAT, EMBEDDER, QUESTION, TOKEN, URL, check, require, run, weather
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

HEADERS = {"headers": {"Authorization": f"Bearer {TOKEN}"}}


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Literal[2, 4]


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather(city)


def ollama(model: str, tokens: int) -> Any:
    return ChatOllama(
        model=model,
        base_url=URL,
        client_kwargs=HEADERS,
        temperature=0,
        num_predict=tokens,
        validate_model_on_init=True,
    )


def anthropic(model: str, tokens: int) -> Any:
    return ChatAnthropic(
        model=model, anthropic_api_url=URL, anthropic_api_key=TOKEN, max_tokens=tokens
    )


def responses(model: str, tokens: int) -> Any:
    return ChatOpenAI(
        model=model,
        base_url=f"{URL}v1",
        api_key=TOKEN,
        temperature=0,
        max_tokens=tokens,
        use_responses_api=True,
    )


def checks_of(name: str, model: Callable[[str, int], Any]) -> None:
    def chat() -> None:
        reply = model(CHAT, 8).invoke("Say hello.")
        require(reply.text, reply)
        require(reply.usage_metadata["output_tokens"] <= 8, reply)

    def stream() -> None:
        parts = list(model(CHAT, 8).stream("Say hello."))
        require("".join(part.text for part in parts), parts)

    def agent() -> None:
        graph = create_agent(model(CALLER, 100), [get_weather])
        state = graph.invoke({"messages": [{"role": "user", "content": QUESTION}]})
        require("3 degrees" in state["messages"][-1].text, state)

    def streamed_tools() -> None:
        bound = model(CALLER, 100).bind_tools([get_weather])
        whole = None
        for part in bound.stream(QUESTION):
            whole = part if whole is None else whole + part
        require([call["args"] for call in whole.tool_calls] == [{"city": "Oslo"}], whole)

    def structured() -> None:
        reader = model(CHAT, 200).with_structured_output(Animal, method="json_schema")
        require(isinstance(reader.invoke("Describe a cat."), Animal), "no model")

    for function in (chat, stream, agent, streamed_tools, structured):
        function.__name__ = f"{name}_{function.__name__}"
        check(function)


checks_of("ollama", ollama)
checks_of("anthropic", anthropic)
checks_of("responses", responses)


@check
def ollama_embeddings() -> None:
    model = OllamaEmbeddings(model=EMBEDDER, base_url=URL, client_kwargs=HEADERS)
    vectors = model.embed_documents(["one", "two"])
    require(len(vectors) == 2 and len(vectors[0]) > 1, vectors)


run()
