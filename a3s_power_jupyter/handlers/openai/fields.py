"""The fields of OpenAI's requests: types and ranges of those that are read, names of the others.

Source: the request bodies in OpenAI's API reference. `tests/unit/handlers/test_openai_fields.py`
compares them with the types of the installed ``openai`` package.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.parameters import (
    Penalty,
    PositiveInt,
    Probability,
    StopString,
    check,
    close_matches,
)
from ...contract.text import quoted, shortened

T = TypeVar("T", bound=msgspec.Struct)

#: Fields of OpenAI that are not read here. They have no effect, or `requests` refuses them.
IGNORED_CHAT = frozenset(
    {
        "audio",
        "metadata",
        "modalities",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    }
)
IGNORED_COMPLETION = frozenset({"best_of", "suffix", "user"})
IGNORED_EMBEDDING = frozenset({"user"})

#: Most alternatives for a token, as for OpenAI's ``top_logprobs``.
MAX_ALTERNATIVES = 20

#: Most tokens with a bias: the size of the largest vocabularies.
MAX_BIASES = 2**18

#: Most messages of a chat.
MAX_MESSAGES = 2**14

#: Most unknown fields that an error names.
MAX_LISTED = 10

Alternatives = Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)]
Bias = Annotated[float, Meta(ge=-100.0, le=100.0)]
NonemptyStop = Annotated[StopString, Meta(min_length=1)]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class GenerationFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of chat and plain completions. The second group are extensions of OpenAI's API."""

    model: Annotated[str, Meta(min_length=1)]
    n: Annotated[int, Meta(ge=1, le=128)] = 1
    stream: bool = False
    stream_options: StreamOptions = msgspec.field(default_factory=StreamOptions)
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    max_tokens: PositiveInt | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType = UNSET
    stop: NonemptyStop | Annotated[list[NonemptyStop], Meta(max_length=64)] | UnsetType = UNSET
    logit_bias: Annotated[dict[str, Bias], Meta(max_length=MAX_BIASES)] | UnsetType = UNSET

    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType = UNSET
    min_p: Probability | UnsetType = UNSET
    repeat_penalty: Annotated[float, Meta(ge=0.01, le=10.0)] | UnsetType = UNSET
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
    response_format: dict[str, Any] | UnsetType = UNSET
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: bool = True
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
    logprobs: Alternatives | UnsetType = UNSET
    echo: bool = False


class EmbeddingFields(msgspec.Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1)]
    input: Any
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: PositiveInt | UnsetType = UNSET
    prompt_name: Annotated[str, Meta(max_length=255)] | None = None
    keep_alive: str | int | float | None = None


def read_fields(body: dict[str, Any], type_: type[T], ignored: frozenset[str]) -> T:
    """Check a request's fields and return them as `type_`. ``null`` means unset.

    Raises
    ------
    UnsupportedRequestFields
        If a field is neither in `type_` nor in `ignored`.
    InvalidParameter
        If a field is missing, has a wrong type or is out of range.
    """
    fields = msgspec.structs.fields(type_)
    known = {field.encode_name for field in fields}
    _refuse_unknown(set(body) - known - ignored, known)
    given = {name: value for name, value in body.items() if name in known and value is not None}
    for field in fields:
        if field.required and field.encode_name not in given:
            raise InvalidParameter(f"{field.encode_name!r} is missing.", param=field.encode_name)
    return check(given, type_)


def _refuse_unknown(unknown: set[str], known: set[str]) -> None:
    if not unknown:
        return
    names = sorted(unknown)
    near = close_matches(names[0], known)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = shortened(", ".join(map(quoted, names[:MAX_LISTED])))
    verb = "is" if len(names) == 1 else "are"
    raise UnsupportedRequestFields(f"{listed} {verb} not defined.{hint}", param=names[0])
