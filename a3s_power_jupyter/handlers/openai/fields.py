"""The fields of OpenAI's requests that are read: their types and ranges.

Source: the request bodies in OpenAI's API reference. `tests/unit/handlers/test_openai_fields.py`
compares them with the types of the installed ``openai`` package.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import (
    NaturalInt,
    Penalty,
    PositiveInt,
    Probability,
    Seed,
    StopString,
    StopStrings,
    Temperature,
)
from .. import fields
from ..chat.contents import MAX_MESSAGES
from ..fields import NO_LIMIT
from ..sampler_fields import Alternatives, LogitBias
from .constraint_fields import ConstraintFields
from .refused import REFUSED

T = TypeVar("T", bound=msgspec.Struct)

#: Names that other servers have for a field: transformers and vLLM, llama.cpp, Ollama, Voyage.
ALIASES = {
    "min_new_tokens": "min_tokens",
    "n_predict": "max_tokens",
    "num_predict": "max_tokens",
    "truncation": "truncate",
}

#: Values that mean another one, as for llama.cpp's server, vLLM and Ollama.
_MEANINGS = {
    ("max_tokens", -1): NO_LIMIT,
    ("max_completion_tokens", -1): NO_LIMIT,
    ("top_k", -1): 0,
}


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class GenerationFields(ConstraintFields, frozen=True, kw_only=True):
    """Fields of chat and plain completions. The second group are extensions of OpenAI's API."""

    model: Annotated[str, Meta(min_length=1)]
    n: Annotated[int, Meta(ge=1, le=128)] = 1
    stream: bool = False
    stream_options: StreamOptions = msgspec.field(default_factory=StreamOptions)
    temperature: Temperature | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    max_tokens: PositiveInt | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    stop: StopString | StopStrings | UnsetType = UNSET
    logit_bias: LogitBias | UnsetType = UNSET

    return_progress: bool = False
    timings_per_token: bool = False
    keep_alive: str | int | float | None = None


class ChatFields(GenerationFields, frozen=True, kw_only=True):
    """Fields of chat completions. The second group are extensions of OpenAI's API.

    The fields of tools are read by `tools`, those of reasoning by `template_variables`, and the
    last two by `prompt_end`.
    """

    messages: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: PositiveInt | UnsetType = UNSET
    logprobs: bool = False
    top_logprobs: Alternatives | UnsetType = UNSET
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: bool | UnsetType = UNSET
    functions: Any = None
    function_call: Any = None
    reasoning_effort: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET

    images: list[str] = []
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=256)] = {}
    reasoning: dict[str, Any] | bool | UnsetType = UNSET
    enable_thinking: bool | UnsetType = UNSET
    think: bool | Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    thinking: dict[str, Any] | bool | UnsetType = UNSET
    add_generation_prompt: bool | UnsetType = UNSET
    continue_final_message: bool | UnsetType = UNSET


class CompletionFields(GenerationFields, frozen=True, kw_only=True):
    prompt: Any
    logprobs: Alternatives | bool | UnsetType = UNSET
    max_tokens: NaturalInt | UnsetType = UNSET
    echo: bool = False
    suffix: str = ""
    best_of: Annotated[int, Meta(ge=1, le=128)] | UnsetType = UNSET


class EmbeddingFields(msgspec.Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1)]
    input: Any
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: PositiveInt | UnsetType = UNSET
    prompt_name: Annotated[str, Meta(max_length=255)] | None = None
    truncate: bool | Annotated[str, Meta(max_length=64)] = False
    allow_token_ids: bool = False
    keep_alive: str | int | float | None = None


def read_fields(body: dict[str, Any], type_: type[T]) -> T:
    """Read the fields of a request to one of OpenAI's routes, as `handlers.fields.read_fields`."""
    return fields.read_fields(body, type_, aliases=ALIASES, meanings=_MEANINGS, refused=REFUSED)
