"""Compare the fields of requests with the types of the ``ollama`` package."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from ollama import _types as types

from a3s_power_jupyter.handlers.ollama import fields
from a3s_power_jupyter.handlers.ollama.fields import REFUSED
from a3s_power_jupyter.handlers.ollama.options import Options

#: Options that have no effect: those of a load, of a context that is shifted, and removed ones.
IGNORED_OPTIONS = {
    "numa",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "low_vram",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mmap",
    "use_mlock",
    "embedding_only",
    "num_thread",
    "num_keep",
    "penalize_newline",
    "tfs_z",
}


def names(type_: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(type_)}


@pytest.mark.parametrize(
    ("reference", "type_", "ignored"),
    [
        (types.ChatRequest, fields.ChatFields, set()),
        (types.GenerateRequest, fields.GenerateFields, set()),
        (types.EmbedRequest, fields.EmbedFields, {"options"}),
        (types.EmbeddingsRequest, fields.EmbeddingsFields, {"options"}),
    ],
)
def test_every_field_of_ollama_was_considered(
    reference: Any, type_: type[msgspec.Struct], ignored: set[str]
) -> None:
    ours, theirs = names(type_), set(reference.model_fields)
    assert theirs - ours - set(REFUSED) == ignored
    assert ours - theirs <= {"tool_choice"}
    assert not ours & set(REFUSED)


def test_every_option_of_ollama_was_considered() -> None:
    ours, theirs = names(Options), set(types.Options.model_fields)
    assert theirs - ours == IGNORED_OPTIONS
    assert ours - theirs == {"min_p"}  # documented, but not in the package


def test_every_field_of_a_message_is_read() -> None:
    read = {"role", "content", "thinking", "images", "tool_name", "tool_calls"}
    assert set(types.Message.model_fields) == read
