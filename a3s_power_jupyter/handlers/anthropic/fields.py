"""The fields of Anthropic's requests that are read: their types and ranges.

Source: the request bodies in Anthropic's API reference.
`tests/unit/handlers/test_anthropic_fields.py` compares them with the types of the installed
``anthropic`` package.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import NaturalInt, Penalty, Probability, Seed, StopStrings, Temperature
from ..chat.contents import MAX_MESSAGES
from ..fields import NO_LIMIT, Refused
from ..sampler_fields import SamplerFields

#: Values that mean another one.
MEANINGS = {("max_tokens", -1): NO_LIMIT, ("top_k", -1): 0}

#: What the fields of a `ChatRequest` are called.
PARAM_NAMES = {
    "prompt": "messages",
    "stop": "stop_sequences",
    "function.parameters": "input_schema",
}

_SCHEMA = "Use output_config.format with a JSON schema."

#: Fields that are refused, because the answer without them would be another one.
REFUSED: Refused = {
    # Anthropic's services
    "container": ((), "Local models have no containers and no skills."),
    "mcp_servers": (
        ([],),
        "Connect to MCP servers in the client, and send their tools.",
    ),
    "thread": ((), "The server keeps no conversations. Send all messages."),
    "compaction": ((), "Ask for a summary in a message."),
    # Other names, of OpenAI's API and of other servers
    "stop": (("", []), "Use stop_sequences."),
    "response_format": (({"type": "text"},), _SCHEMA),
    "format": (("",), _SCHEMA),
    "json_schema": ((), _SCHEMA),
    "guided_json": ((), _SCHEMA),
    "structured_outputs": ((), _SCHEMA),
    "grammar": (("",), "Use /v1/chat/completions for grammars."),
    "functions": (([],), "Use tools."),
    "images": (([],), "Send images as blocks of a message."),
}


class Thinking(msgspec.Struct, frozen=True):
    """Whether the model thinks, and whether the reply has its thoughts."""

    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: NaturalInt | None = None
    display: Annotated[str, Meta(max_length=64)] | None = None


class OutputConfig(msgspec.Struct, frozen=True):
    effort: Annotated[str, Meta(max_length=64)] | None = None
    format: dict[str, Any] | None = None


class Choice(msgspec.Struct, frozen=True):
    """Whether the model has to use a tool, and which one."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessageFields(SamplerFields, frozen=True, kw_only=True):
    """Fields of messages. The second group are extensions of Anthropic's API."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_MESSAGES)]
    system: Any = None
    max_tokens: NaturalInt | UnsetType = UNSET
    stop_sequences: StopStrings | UnsetType = UNSET
    stream: bool = False
    temperature: Temperature | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    tools: Any = None
    tool_choice: Choice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig = OutputConfig()
    output_format: dict[str, Any] | None = None

    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    keep_alive: str | int | float | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=256)] = {}
