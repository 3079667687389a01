"""Bodies of all dialects with one wrong value somewhere are read, or refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import BadRequest
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest
from a3s_power_jupyter.handlers.anthropic.requests import read_message_call
from a3s_power_jupyter.handlers.ollama.chat import read_chat as read_ollama_chat
from a3s_power_jupyter.handlers.ollama.embed import read_embed, read_embeddings
from a3s_power_jupyter.handlers.ollama.generate import read_generate
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion, read_embedding
from a3s_power_jupyter.handlers.rerank import read_rerank
from a3s_power_jupyter.handlers.responses.requests import read_response
from a3s_power_jupyter.handlers.tokens import read_detokenize, read_tokenize
from a3s_power_jupyter.remote.requests import written

IMAGE = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
SAMPLING = {"temperature": 0.5, "top_p": 0.5, "seed": 1, "keep_alive": "5m", "top_k": 3}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

BODIES: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]] = {
    "chat": (
        read_chat,
        {
            "messages": [
                {"role": "system", "content": "s"},
                {
                    "role": "user",
                    "name": "ada",
                    "content": [
                        {"type": "text", "text": "t"},
                        {"type": "image_url", "image_url": {"url": IMAGE}},
                    ],
                },
                {"role": "assistant", "content": "", "reasoning": "r", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "a", "content": "x"},
            ],
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA},
            },
            "stream_options": {"include_usage": True},
            "logit_bias": {"5": 1},
            "reasoning": {"effort": "low"},
            "chat_template_kwargs": {"a": 1},
            "stop": ["a"],
            **SAMPLING,
        },
    ),
    "completion": (read_completion, {"prompt": "p", "suffix": "s", "logprobs": 1, **SAMPLING}),
    "embedding": (read_embedding, {"input": ["a"], "truncate": "end", "dimensions": 5}),
    "responses": (
        lambda body: read_response(body, _no_item),
        {
            "input": [
                {"type": "message", "role": "developer", "content": "s"},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "t"},
                        {"type": "input_image", "image_url": IMAGE, "detail": "low"},
                    ],
                },
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "r"}],
                    "content": [{"type": "reasoning_text", "text": "r"}],
                },
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "x"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "y", "annotations": []}],
                },
            ],
            "instructions": "i",
            "tools": [{"type": "function", **FUNCTION}],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            },
            "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "metadata": {"a": "b"},
            "max_output_tokens": 5,
            **SAMPLING,
        },
    ),
    "messages": (
        read_message_call,
        {
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "t"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": IMAGE.partition(",")[2],
                            },
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "r", "signature": "x"},
                        {"type": "tool_use", "id": "a", "name": "f", "input": {"city": "x"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "a",
                            "is_error": False,
                            "content": [{"type": "text", "text": "x"}],
                        }
                    ],
                },
            ],
            "max_tokens": 5,
            "stop_sequences": ["a"],
            "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
            **SAMPLING,
        },
    ),
    "Ollama chat": (
        read_ollama_chat,
        {
            "messages": [
                {"role": "user", "content": "t", "images": [IMAGE.partition(",")[2]]},
                {
                    "role": "assistant",
                    "thinking": "r",
                    "tool_calls": [{"function": {"name": "f", "arguments": {"city": "x"}}}],
                },
                {"role": "tool", "tool_name": "f", "content": "x"},
            ],
            "tools": [{"type": "function", "function": FUNCTION}],
            "format": SCHEMA,
            "think": "low",
            "options": {"temperature": 0.5, "stop": ["a"], "num_predict": 5, "seed": 1},
            "logprobs": True,
            "top_logprobs": 2,
            "keep_alive": "5m",
        },
    ),
    "Ollama generate": (
        read_generate,
        {
            "prompt": "p",
            "system": "s",
            "images": [IMAGE.partition(",")[2]],
            "format": "json",
            "options": {"temperature": 0.5, "num_ctx": 5},
        },
    ),
    "Ollama embed": (read_embed, {"input": ["a"], "dimensions": 3, "truncate": True}),
    "Ollama embeddings": (read_embeddings, {"prompt": "a", "keep_alive": 5}),
    "rerank": (
        read_rerank,
        {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "truncate": "end"},
    ),
    "tokenize": (read_tokenize, {"content": "a", "with_pieces": True, "add_special": True}),
    "detokenize": (read_detokenize, {"tokens": [1, 2]}),
}


def _no_item(id_: str, at: str) -> dict[str, Any]:
    raise BadRequest("There are no items.", param=at)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


WRONG = [
    None, True, 0, -1, 2**63, 10**30, 0.5, 1e300, "", "x", "\0", [], [None], [[]],
    ["x"] * 3, {}, {"x": 1}, {"type": "x"}, {"type": None}, {"type": []}, nested(900),
]  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a body."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*at, key))


def replaced(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = msgspec.json.decode(msgspec.json.encode(body))
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dict(changed)


def requests_in(call: Any) -> list[Any]:
    """Return what a call asks of an engine."""
    found = call if isinstance(call, tuple) else (call,)
    return [
        request
        for one in found
        for request in [*getattr(one, "requests", []), getattr(one, "request", one)]
        if isinstance(request, msgspec.Struct)
    ]


@pytest.mark.parametrize("name", BODIES)
def test_a_valid_body_is_read(name: str) -> None:
    read, body = BODIES[name]
    read({"model": "m", **body})


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_value_is_read_or_refused(name: str) -> None:
    read, body = BODIES[name]
    body = {"model": "m", **body}
    for path in paths(body):
        for wrong in WRONG:
            try:
                for request in requests_in(read(replaced(body, path, wrong))):
                    _check(request)
            except BadRequest as error:
                _check_message(error.message)


def _check_message(message: str) -> None:
    """Check that an error says what the value is, after what is allowed, without Python's words."""
    assert not re.search(r"Expected|\bNone\b|`|<class|base64-encoded", message), message
    if " must be " in message:
        assert re.search(r", not |not be empty", message), message


def _check(request: Any) -> None:
    """Check that a request can be sent to a worker, and to an upstream if that can express it."""
    msgspec.msgpack.encode(request)
    if isinstance(request, ChatRequest | CompletionRequest):
        msgspec.json.encode(written(request)[1])
