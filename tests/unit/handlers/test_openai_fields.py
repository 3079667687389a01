"""Compare the fields of requests with the types of the ``openai`` package."""

from __future__ import annotations

import typing

import msgspec
import pytest
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params

from a3s_power_jupyter.handlers.openai import fields
from a3s_power_jupyter.handlers.openai.constraint_fields import ConstraintFields
from a3s_power_jupyter.handlers.openai.refused import REFUSED

#: Fields that do not change the answer, or that no local model can heed. They are ignored.
WITHOUT_EFFECT = {
    "metadata",
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
}

LOCAL = {
    *ConstraintFields.__struct_fields__,  # with those of the samplers
    "return_progress",
    "timings_per_token",
    "keep_alive",
    "images",
    "chat_template_kwargs",
    "reasoning",
    "enable_thinking",
    "think",
    "thinking",
    "add_generation_prompt",
    "continue_final_message",
    "prompt_name",
    "truncate",
    "allow_token_ids",
}


@pytest.mark.parametrize(
    ("reference", "type_"),
    [
        (chat_create_params.CompletionCreateParamsStreaming, fields.ChatFields),
        (completion_create_params.CompletionCreateParamsStreaming, fields.CompletionFields),
        (embedding_create_params.EmbeddingCreateParams, fields.EmbeddingFields),
    ],
)
def test_every_field_of_openai_was_considered(reference: type, type_: type) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(type_)}
    theirs = set(typing.get_type_hints(reference))
    assert not ours & (set(REFUSED) | WITHOUT_EFFECT | set(fields.ALIASES))
    assert theirs <= ours | set(REFUSED) | WITHOUT_EFFECT
    assert ours - theirs <= LOCAL
