"""smolagents: the ToolCallingAgent, which requires a call in each turn."""

from __future__ import annotations

from checks import CHAT, QUESTION, TOKEN, URL, check, require, run
from checks import weather as weather_of
from smolagents import OpenAIModel, ToolCallingAgent, tool


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: Name of the city.
    """
    return weather_of(city)


@check
def tool_calling_agent() -> None:
    model = OpenAIModel(
        CHAT, api_base=f"{URL}v1", api_key=TOKEN, max_tokens=200, temperature=0, seed=1
    )
    agent = ToolCallingAgent([get_weather], model, max_steps=2, verbosity_level=0)
    agent.run(QUESTION)
    calls = [c for step in agent.memory.steps for c in getattr(step, "tool_calls", None) or []]
    require(calls, agent.memory.steps)
    require({call.name for call in calls} <= {"get_weather", "final_answer"}, calls)


run()
