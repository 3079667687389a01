"""openai-agents with its default model, which uses the Responses API: tools, handoffs and MCP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from agents import (
    Agent,
    ModelSettings,
    Runner,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStdio
from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run, weather
from openai import AsyncOpenAI
from pydantic import BaseModel

SERVER = Path(__file__).with_name("weather_mcp_server.py")


@function_tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather(city)


class City(BaseModel):
    name: Literal["Oslo", "Paris"]


def start() -> None:
    """Use a new HTTP client, because each check has an event loop of its own."""
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{URL}v1", api_key=TOKEN, max_retries=0)
    set_default_openai_client(client, use_for_tracing=False)


def forecaster(**options: object) -> Agent:
    settings = ModelSettings(temperature=0)
    return Agent("Forecaster", model=CALLER, model_settings=settings, **options)


@check
async def tools() -> None:
    start()
    reply = await Runner.run(forecaster(tools=[get_weather]), QUESTION, max_turns=3)
    require("3 degrees" in reply.final_output, reply)


@check
async def streamed_tools() -> None:
    start()
    reply = Runner.run_streamed(forecaster(tools=[get_weather]), QUESTION, max_turns=3)
    kinds = {event.type async for event in reply.stream_events()}
    require({"raw_response_event", "run_item_stream_event"} <= kinds, kinds)
    require("3 degrees" in reply.final_output, reply)


@check
async def handoff() -> None:
    """The first agent has to hand the question over."""
    start()
    settings = ModelSettings(tool_choice="required", max_tokens=200)
    expert = forecaster(tools=[get_weather], handoff_description="Knows the weather.")
    desk = Agent("Desk", model=CHAT, handoffs=[expert], model_settings=settings)
    reply = await Runner.run(desk, QUESTION, max_turns=6)
    require(reply.last_agent is expert, reply)


@check
async def mcp_server() -> None:
    start()
    params = {"command": sys.executable, "args": [str(SERVER)]}
    async with MCPServerStdio(params, client_session_timeout_seconds=60) as server:
        reply = await Runner.run(forecaster(mcp_servers=[server]), QUESTION, max_turns=3)
    require("3 degrees" in reply.final_output, reply)


@check
async def output_type() -> None:
    start()
    settings = ModelSettings(max_tokens=200)
    agent = Agent("Reader", model=CHAT, output_type=City, model_settings=settings)
    reply = await Runner.run(agent, QUESTION)
    require(isinstance(reply.final_output, City), reply)


run()
