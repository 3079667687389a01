"""Compare the fields of requests with the types of the ``anthropic`` package."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from anthropic import types

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.handlers.anthropic.fields import REFUSED, MessageFields
from a3s_power_jupyter.handlers.anthropic.requests import read_message_call
from a3s_power_jupyter.handlers.ignored import ignored_fields
from a3s_power_jupyter.handlers.sampler_fields import SamplerFields

#: Fields that do not change the answer, or that no local model can heed. They are ignored.
WITHOUT_EFFECT = {
    "billing_policy",
    "cache_control",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "metadata",
    "service_tier",
    "speed",
    # Headers
    "betas",
    "user_profile_id",
    "workspace_id",
}

LOCAL = {
    *SamplerFields.__struct_fields__,
    "chat_template_kwargs",
    "frequency_penalty",
    "keep_alive",
    "output_format",  # of the package's `parse`, and of earlier versions
    "presence_penalty",
    "seed",
    "temperature",  # of earlier versions
    "top_p",
}

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_every_field_of_anthropic_was_considered() -> None:
    plain, beta = types.message_create_params, types.beta.message_create_params
    ours = {field.encode_name for field in msgspec.structs.fields(MessageFields)}
    theirs = set(typing.get_type_hints(plain.MessageCreateParamsStreaming))
    theirs |= set(typing.get_type_hints(beta.MessageCreateParamsStreaming))
    assert not ours & (set(REFUSED) | WITHOUT_EFFECT)
    assert theirs <= ours | set(REFUSED) | WITHOUT_EFFECT
    assert ours - theirs <= LOCAL


def test_every_field_of_a_count_is_one_of_a_message() -> None:
    count = set(typing.get_type_hints(types.MessageCountTokensParams))
    assert count <= set(typing.get_type_hints(types.message_create_params.MessageCreateParamsBase))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_field_without_which_the_answer_would_be_another_one_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedRequestFields, match=name) as caught:
        read_message_call(BODY | {name: ["something"]})
    assert caught.value.param == name
    for nothing in (None, *REFUSED[name][0]):
        read_message_call(BODY | {name: nothing})


def test_fields_without_effect_are_named() -> None:
    body = BODY | {
        "metadata": {"user_id": "u"},
        "context_management": {"edits": []},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "low", "task_budget": 3},
    }
    named = list(ignored_fields(body, MessageFields, {}, REFUSED))
    assert named == ["metadata", "context_management", "output_config.task_budget"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["a"]}, "messages[0]"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"thinking": True}, "thinking"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_format": {"type": "json_schema", "schema": 1}}, "output_format.schema"),
        ({"chat_template_kwargs": {"a": 2**70}}, "chat_template_kwargs"),
    ],
)
def test_a_mistake_names_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_message_call(BODY | fields)
    assert caught.value.param == param
