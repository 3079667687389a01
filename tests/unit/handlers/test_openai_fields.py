"""Compare the fields of requests with the types of the ``openai`` package."""

from __future__ import annotations

import typing

import msgspec
import pytest
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params

from a3s_power_jupyter.handlers.openai import fields

LOCAL = {
    "top_k",
    "min_p",
    "repeat_penalty",
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
}


@pytest.mark.parametrize(
    ("reference", "type_", "ignored"),
    [
        (
            chat_create_params.CompletionCreateParamsStreaming,
            fields.ChatFields,
            fields.IGNORED_CHAT,
        ),
        (
            completion_create_params.CompletionCreateParamsStreaming,
            fields.CompletionFields,
            fields.IGNORED_COMPLETION,
        ),
        (
            embedding_create_params.EmbeddingCreateParams,
            fields.EmbeddingFields,
            fields.IGNORED_EMBEDDING,
        ),
    ],
)
def test_every_field_of_openai_is_read_or_ignored(
    reference: type, type_: type, ignored: frozenset[str]
) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(type_)}
    assert not ours & ignored
    assert set(typing.get_type_hints(reference)) <= ours | ignored
    assert ours - set(typing.get_type_hints(reference)) <= LOCAL
