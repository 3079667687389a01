"""The fields of ``POST /v1/responses``: their types and ranges, and those that are refused.

Source: OpenAI's API reference. `tests/unit/handlers/test_responses_fields.py` compares them with
the types of the installed ``openai`` package.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import (
    Penalty,
    PositiveInt,
    Probability,
    Seed,
    StopString,
    StopStrings,
    Temperature,
)
from ..fields import NO_LIMIT, Refused
from ..openai.constraint_fields import ConstraintFields
from ..openai.refused import REFUSED as REFUSED_IN_CHATS
from ..sampler_fields import Alternatives, LogitBias

#: Names of the fields in chat completions.
ALIASES = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
}

MEANINGS = {("max_output_tokens", -1): NO_LIMIT, ("top_k", -1): 0}

#: What the fields of a `ChatRequest` are called.
PARAM_NAMES = {
    "messages": "input",
    "prompt": "input",
    "max_tokens": "max_output_tokens",
    "function.parameters": "parameters",
}

_NOTHING: tuple[Any, ...] = ("", [], {}, False)

REFUSED: Refused = {
    **REFUSED_IN_CHATS,
    "conversation": (_NOTHING, "Send previous_response_id, or the whole conversation as input."),
    "prompt": (_NOTHING, "The server has no prompt templates. Send instructions and input."),
    "context_management": (_NOTHING, "Use truncation with 'auto'."),
    "system": (_NOTHING, "Use 'instructions'."),
    "messages": (_NOTHING, "Send the messages as 'input', or use /v1/chat/completions."),
    "images": (_NOTHING, "Send parts of the type 'input_image' in a message of the input."),
    "n": ((1,), "A response has one answer. Send several requests."),
    "functions": (_NOTHING, "Use 'tools'."),
    "function_call": ((), "Use 'tool_choice'."),
}

#: What a client may ask to include, and whether it has an effect.
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED = "reasoning.encrypted_content"

ShortText = Annotated[str, Meta(max_length=64)]


class TextFields(msgspec.Struct, frozen=True):
    """``text``. `text_format` reads the format."""

    format: Any = None


class ReasoningFields(msgspec.Struct, frozen=True):
    """``reasoning``. `generate_summary` is the old name of `summary`."""

    effort: ShortText | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class StreamFields(msgspec.Struct, frozen=True):
    """``stream_options``, of which none has an effect."""


class ResponseFields(ConstraintFields, frozen=True, kw_only=True):
    """Fields of a response. Those of the second group are only returned.

    Those of the third group, and those of the base class, are extensions of OpenAI's API, as in
    chat completions.
    """

    model: Annotated[str, Meta(min_length=1)]
    input: Any = None
    instructions: str = ""
    previous_response_id: str | None = None
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: bool | UnsetType = UNSET
    text: TextFields = msgspec.field(default_factory=TextFields)
    reasoning: ReasoningFields = msgspec.field(default_factory=ReasoningFields)
    include: Annotated[list[ShortText], Meta(max_length=64)] = []
    top_logprobs: Alternatives = 0
    max_output_tokens: PositiveInt | UnsetType = UNSET
    truncation: Literal["auto", "disabled"] = "disabled"
    temperature: Temperature | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    stream: bool = False
    stream_options: StreamFields = msgspec.field(default_factory=StreamFields)
    background: bool = False
    store: bool = True

    metadata: Annotated[
        dict[
            Annotated[str, Meta(max_length=64)],
            Annotated[str, Meta(max_length=512)],
        ],
        Meta(max_length=16),
    ] = {}
    max_tool_calls: PositiveInt | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=1024)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=1024)] | None = None
    user: Annotated[str, Meta(max_length=1024)] | None = None

    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    stop: StopString | StopStrings | UnsetType = UNSET
    logit_bias: LogitBias | UnsetType = UNSET
    reasoning_effort: ShortText | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=256)] = {}
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    keep_alive: str | int | float | None = None
