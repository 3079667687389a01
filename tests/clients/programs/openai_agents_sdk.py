"""openai-agents: an agent with a function tool, whole and streamed."""

from __future__ import annotations

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from checks import CALLER, QUESTION, TOKEN, URL, check, require, run, weather
from openai import AsyncOpenAI

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return weather(city)


def agent() -> Agent:
    client = AsyncOpenAI(base_url=f"{URL}v1", api_key=TOKEN, max_retries=0)
    model = OpenAIChatCompletionsModel(CALLER, client)
    settings = ModelSettings(temperature=0)
    return Agent("Forecaster", tools=[get_weather], model=model, model_settings=settings)


@check
async def tools() -> None:
    reply = await Runner.run(agent(), QUESTION, max_turns=3)
    require("3 degrees" in reply.final_output, reply)


@check
async def streamed_tools() -> None:
    reply = Runner.run_streamed(agent(), QUESTION, max_turns=3)
    kinds = {event.type async for event in reply.stream_events()}
    require("run_item_stream_event" in kinds, kinds)
    require("3 degrees" in reply.final_output, reply)


run()
