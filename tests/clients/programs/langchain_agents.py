"""LangChain and LangGraph: chat, streams, structured output, agents and embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from checks import CALLER, CHAT, EMBEDDER, QUESTION, TOKEN, URL, check, require, run
from checks import weather as weather_of
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel, Field


class Animal(BaseModel):
    """An animal."""

    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather_of(city)


def model(name: str, **options: object) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=f"{URL}v1", api_key=TOKEN, max_retries=0, **options)


@check
def chat() -> None:
    reply = model(CHAT, max_tokens=8).invoke("Say hello.")
    require(reply.content and reply.usage_metadata, reply)


@check
def stream() -> None:
    pieces = list(model(CHAT, max_tokens=8).stream("Say hello."))
    require(len(pieces) > 2, pieces)


@check
def structured_output() -> None:
    for method in ("json_schema", "function_calling"):
        chain = model(CHAT, max_tokens=200).with_structured_output(Animal, method=method)
        reply = chain.invoke("Describe a cat as JSON with name and legs.")
        require(isinstance(reply, Animal), reply)


@check
def agent() -> None:
    """LangChain's agent calls by itself until it answers."""
    runnable = create_agent(model(CALLER, temperature=0), tools=[get_weather])
    messages = runnable.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
    kinds = [type(message) for message in messages]
    require(kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage], messages)
    require("3 degrees" in messages[-1].content, messages)


@check
def streamed_graph() -> None:
    """A LangGraph graph with streamed tokens."""
    bound = model(CALLER, temperature=0, streaming=True).bind_tools([get_weather])
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([get_weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    events = graph.compile().stream({"messages": [HumanMessage(QUESTION)]}, stream_mode="messages")
    texts = [chunk.content for chunk, _ in events if not isinstance(chunk, ToolMessage)]
    require("3 degrees" in "".join(texts), texts)


@check
def embeddings() -> None:
    embedder = OpenAIEmbeddings(
        model=EMBEDDER,
        base_url=f"{URL}v1",
        api_key=TOKEN,
        check_embedding_ctx_length=False,
    )
    require(len(embedder.embed_documents(["one", "two"])) == 2, None)


run()
