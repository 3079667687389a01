"""Test errors of servers with the replies that they really send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, UpstreamError, UpstreamRefused
from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.remote.checks import _context_length
from a3s_power_jupyter.remote.responses import NothingSent, read_events, refusal

#: Recorded from xllamacpp 2026.10.11549 and llama-cpp-python 0.3.36.
RECORDED: list[tuple[int, dict[str, Any]]] = [
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (9031 tokens) exceeds the available context size (512 tokens), "
                "try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9031,
                "n_ctx": 512,
            }
        },
    ),
    (
        500,
        {
            "error": {
                "code": 500,
                "message": "input (3002 tokens) is too large to process. increase the physical "
                "batch size (current batch size: 512)",
                "type": "server_error",
            }
        },
    ),
    (
        400,
        {
            "error": {
                "message": "This model's maximum context length is 1024 tokens. However, you "
                "requested 9047 tokens (9031 in the messages, 16 in the completion). Please reduce "
                "the length of the messages or completion.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
    ),
]

#: Messages in reports of users of vLLM, LM Studio and Ollama.
REPORTED = [
    "The decoder prompt (length 88049) is longer than the maximum model length of 32768.",
    "This model's maximum context length is 128000 tokens. However, you requested 65535 output "
    "tokens and your prompt contains at least 62466 input tokens, for a total of at least 128001 "
    "tokens.",
    "max_tokens must be at least 1, got -186.",
    "Trying to keep the first 111490 tokens when context the overflows. However, the model is "
    "loaded with context length of only 32768 tokens, which is not enough. Try to load the model "
    "with a larger context length, or provide a shorter input.",
    "The number of tokens to keep from the initial prompt is greater than the context length "
    "(n_keep: 10247 >= n_ctx: 4096). Try to load the model with a larger context length, or "
    "provide a shorter prompt.",
    "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)",
    "the input length exceeds the context length",
]


@pytest.mark.parametrize(("status", "reply"), RECORDED)
def test_recorded_overflows(status: int, reply: dict[str, Any]) -> None:
    error = refusal(status, {}, json.dumps(reply).encode())
    assert isinstance(error, ContextLengthExceeded)
    assert error.message == reply["error"]["message"]


@pytest.mark.parametrize("message", REPORTED)
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("form", ["openai", "text", "flat"])
def test_reported_overflows(message: str, status: int, form: str) -> None:
    replies: dict[str, Any] = {
        "openai": {"error": {"message": message, "type": "BadRequestError", "code": 400}},
        "text": {"error": message},
        "flat": {"object": "error", "message": message, "type": "BadRequestError", "code": 400},
    }
    error = refusal(status, {}, json.dumps(replies[form]).encode())
    assert isinstance(error, ContextLengthExceeded)
    assert error.status == 400


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be at least 1, got 0.",
        "context_length is not a field",
        "Failed to load the model with context length 8192: out of memory",
    ],
)
def test_other_errors_about_lengths(message: str) -> None:
    error = refusal(400, {}, json.dumps({"error": {"message": message}}).encode())
    assert isinstance(error, UpstreamRefused)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (501, "This server does not support embeddings. Start it with `--embeddings`"),
        (
            500,
            "image input is not supported - hint: if this is unexpected, you may need to provide",
        ),
        (500, "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format'"),
    ],
)
def test_a_request_at_fault_is_refused_whatever_the_status(status: int, message: str) -> None:
    """llama.cpp's server sends the first two, llama-cpp-python's the third."""
    error = refusal(status, {}, json.dumps({"error": {"message": message}}).encode())
    assert isinstance(error, UpstreamRefused)


async def _read(*parts: bytes) -> list[dict[str, Any]]:
    async def chunks() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return [event async for event in read_events(chunks())]


async def test_an_answer_that_another_request_interrupted_is_an_error() -> None:
    """llama-cpp-python's server ends it with ``[DONE]``, without a reason."""
    half = b'data: {"choices": [{"delta": {"content": "half"}, "finish_reason": null}]}\n\n'
    with pytest.raises(UpstreamError, match="before it was complete"):
        await _read(half, b"data: [DONE]\n\n")


async def test_empty_streams_and_overflows_in_streams() -> None:
    with pytest.raises(NothingSent):
        await _read()
    event = json.dumps({"error": "Context size has been exceeded."}).encode()
    with pytest.raises(ContextLengthExceeded):
        await _read(b"data: " + event + b"\n\n")


def test_names_of_models_in_lists() -> None:
    def listed(**row: Any) -> int | None:
        return _context_length(Upstream("http://host/v1", "m"), {"data": [row]})

    assert listed(id="/models/m.gguf", aliases=["m"], meta={"n_ctx": 512}) == 512  # llama.cpp
    assert listed(id="m:latest") is None  # Ollama
    assert _context_length(Upstream("http://host/v1", "m"), {"data": []}) is None
    with pytest.raises(UpstreamError, match="It has"):
        listed(id="n", aliases="m", meta=5)
