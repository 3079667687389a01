"""Tools for tests with real models, and the calls in their answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from a3s_power_jupyter.contract.types import ChatRequest, Delta, Sampling, ToolChoice


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    """Return a tool with these keywords in the schema of its arguments."""
    function = {"name": name, "description": f"Call {name}.", "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER = tool(
    "get_weather",
    type="object",
    properties={
        "city": {"type": "string", "maxLength": 12},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    required=["city", "unit", "days"],
    additionalProperties=False,
)
SHOP = tool(
    "order",
    type="object",
    properties={
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 8},
                    "count": {"type": "integer", "minimum": 1, "maximum": 9},
                },
                "required": ["name", "count"],
                "additionalProperties": False,
            },
            "minItems": 1,
            "maxItems": 2,
        },
        "gift": {"type": ["boolean", "null"]},
    },
    required=["items", "gift"],
    additionalProperties=False,
)
NOW = tool("now", type="object", properties={}, additionalProperties=False)
TOOLS = [WEATHER, SHOP, NOW]


def ask(
    text: str = "What is the weather in Paris?",
    choice: ToolChoice | None = None,
    *,
    prefill: str = "",
    tools: list[dict[str, Any]] = TOOLS,
    parallel: bool = False,
    **sampling: Any,
) -> ChatRequest:
    """Return a chat with tools, which continues the start of an answer if there is one."""
    messages = [{"role": "user", "content": text}]
    if prefill:
        messages.append({"role": "assistant", "content": prefill})
    return ChatRequest(
        messages,
        Sampling(**{"temperature": 0.0, "max_tokens": 300, **sampling}),
        tools=tools,
        tool_choice=choice or ToolChoice(),
        parallel_tool_calls=parallel,
        continue_final_message=bool(prefill),
    )


def calls_of(items: list[Any]) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of each call."""
    calls: list[list[str]] = []
    for part in (p for item in items if isinstance(item, Delta) for p in item.tool_calls):
        if part.index == len(calls):
            assert part.id
            calls.append([part.id, part.name, ""])
        calls[part.index][2] += part.arguments
    return [(id_, name, arguments) for id_, name, arguments in calls]


def check_calls(items: list[Any], tools: list[dict[str, Any]] = TOOLS) -> list[tuple[str, Any]]:
    """Validate the arguments of all calls, and return names and arguments."""
    schemas = {one["function"]["name"]: one["function"]["parameters"] for one in tools}
    found = [(name, json.loads(arguments)) for _, name, arguments in calls_of(items)]
    for name, arguments in found:
        jsonschema.validate(arguments, schemas[name])
    return found
