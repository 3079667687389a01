"""Compare the fields of ``/v1/responses`` with the types of the ``openai`` package."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from openai.types.responses import (
    InputTokenCountParams,
    ResponseIncludable,
    ResponseTextConfigParam,
    response_create_params,
)
from openai.types.shared_params import Reasoning

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.handlers.ignored import ignored_fields
from a3s_power_jupyter.handlers.openai.constraint_fields import ConstraintFields
from a3s_power_jupyter.handlers.responses.fields import (
    ALIASES,
    REFUSED,
    ReasoningFields,
    ResponseFields,
    StreamFields,
    TextFields,
)
from support.responses import call_of

#: Fields that do not change the answer, or that no local model can heed. They are ignored.
WITHOUT_EFFECT = {
    "access_programs",
    "background_options",
    "image",
    "moderation",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "personality",
}

LOCAL = {
    *ConstraintFields.__struct_fields__,  # with those of the samplers
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
    "logit_bias",
    "reasoning_effort",
    "enable_thinking",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "keep_alive",
}


def names(type_: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(type_)}


@pytest.mark.parametrize(
    "reference", [response_create_params.ResponseCreateParamsStreaming, InputTokenCountParams]
)
def test_every_field_of_openai_was_considered(reference: type) -> None:
    ours = names(ResponseFields)
    theirs = set(typing.get_type_hints(reference))
    assert not ours & (set(REFUSED) | WITHOUT_EFFECT | set(ALIASES))
    assert theirs <= ours | set(REFUSED) | WITHOUT_EFFECT


def test_all_other_fields_are_local_ones() -> None:
    theirs = set(typing.get_type_hints(response_create_params.ResponseCreateParamsStreaming))
    assert names(ResponseFields) - theirs <= LOCAL


@pytest.mark.parametrize(
    ("reference", "type_", "without_effect"),
    [
        (ResponseTextConfigParam, TextFields, {"verbosity"}),
        (Reasoning, ReasoningFields, {"context", "mode"}),
        (response_create_params.StreamOptions, StreamFields, {"include_obfuscation"}),
    ],
)
def test_every_nested_field_was_considered(
    reference: type, type_: type[msgspec.Struct], without_effect: set[str]
) -> None:
    assert set(typing.get_type_hints(reference)) == names(type_) | without_effect


@pytest.mark.parametrize("name", typing.get_args(ResponseIncludable))
def test_every_value_of_include_is_accepted(name: str) -> None:
    call_of("Hi", include=[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("conversation", "conv_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("context_management", [{"type": "compaction"}]),
        ("messages", [{"role": "user", "content": "Hi"}]),
        ("images", ["aGk="]),
        ("n", 2),
        ("functions", [{"name": "f"}]),
        ("modalities", ["audio"]),
    ],
)
def test_a_field_that_would_change_the_answer_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedRequestFields) as caught:
        call_of("Hi", **{name: value})
    assert caught.value.param == name


@pytest.mark.parametrize("name", ["conversation", "prompt", "context_management", "messages"])
@pytest.mark.parametrize("value", [None, [], {}])
def test_a_field_that_requests_nothing_is_not_refused(name: str, value: Any) -> None:
    call_of("Hi", **{name: value})


def test_fields_without_effect_are_named() -> None:
    body = {
        "model": "m",
        "input": "Hi",
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "stream_options": {"include_obfuscation": False},
        "reasoning": {"effort": "low", "mode": "pro"},
        "service_tier": "auto",
        "max_tokens": 5,
        "conversation": None,
    }
    ignored = list(ignored_fields(body, ResponseFields, ALIASES, REFUSED))
    assert ignored == [
        "text.verbosity",
        "stream_options.include_obfuscation",
        "reasoning.mode",
        "service_tier",
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"truncation": "always"}, "truncation"),
        ({"include": "all"}, "include"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"store": False, "background": True}, "background"),
    ],
)
def test_a_field_with_an_invalid_value_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        call_of("Hi", **fields)
    assert caught.value.param == param
