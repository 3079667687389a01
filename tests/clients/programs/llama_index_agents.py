"""LlamaIndex: chat, streams, structured output, a FunctionAgent and embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from checks import CALLER, CHAT, EMBEDDER, QUESTION, TOKEN, URL, check, require, run
from checks import weather as weather_of
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field


class Animal(BaseModel):
    """An animal."""

    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather_of(city)


def model(name: str, **options: object) -> OpenAILike:
    return OpenAILike(
        model=name,
        api_base=f"{URL}v1",
        api_key=TOKEN,
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=2048,
        max_retries=0,
        **options,
    )


@check
def chat() -> None:
    reply = model(CHAT, max_tokens=8).chat([ChatMessage("Say hello.", role="user")])
    require(reply.message.content, reply)


@check
def stream() -> None:
    pieces = list(model(CHAT, max_tokens=8).stream_complete("Say hello."))
    require(len(pieces) > 2, pieces)


@check
def structured_output() -> None:
    structured = model(CHAT, max_tokens=200).as_structured_llm(Animal)
    reply = structured.chat([ChatMessage("Describe a cat.", role="user")])
    require(isinstance(reply.raw, Animal), reply)


@check
async def function_agent() -> None:
    agent = FunctionAgent(tools=[get_weather], llm=model(CALLER, temperature=0))
    reply = await agent.run(QUESTION)
    require("3 degrees" in str(reply), reply)


@check
def embeddings() -> None:
    embedder = OpenAILikeEmbedding(EMBEDDER, api_base=f"{URL}v1", api_key=TOKEN)
    require(len(embedder.get_text_embedding_batch(["one", "two"])) == 2, None)


run()
