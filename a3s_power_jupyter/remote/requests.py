"""Write the requests of dialects as those of an OpenAI-compatible API.

What such an API has no field for, and would silently be without effect, is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from ..contract.errors import UnsupportedRequestFields
from ..contract.parameters import NO_LIMIT, RANDOM_SEED
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    EmbeddingRequest,
    Route,
    Sampling,
    ToolChoice,
)
from .body import SAMPLING

#: The first bytes of image files.
_MEDIA_TYPES = ((b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


def written(
    request: ChatRequest | CompletionRequest | EmbeddingRequest,
) -> tuple[Route, dict[str, Any]]:
    """Return the route of the upstream for a request, and its body without the model.

    Requests for text are streamed.

    Raises
    ------
    UnsupportedRequestFields
        If the request asks for something that the upstream's API does not have.
    """
    if isinstance(request, ChatRequest):
        return "chat/completions", _chat(request) | _STREAMED
    if isinstance(request, CompletionRequest):
        return "completions", _completion(request) | _STREAMED
    return "embeddings", _embedding(request)


#: Variables of chat templates that say whether the model is to think.
_THINKS = ("enable_thinking", "thinking")

_STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def _chat(request: ChatRequest) -> dict[str, Any]:
    images = iter(request.images)
    body: dict[str, Any] = {"messages": [_message(m, images) for m in request.messages]}
    body |= _sampling(request.sampling)
    if request.sampling.logprobs is not UNSET:
        # With 0 alternatives, llama.cpp's server sends no log probabilities at all.
        body |= {"logprobs": True, "top_logprobs": max(1, request.sampling.logprobs)}
    if request.sampling.constraint is not UNSET:
        body["response_format"] = _response_format(request.sampling.constraint)
    if request.tools:
        body["tools"] = request.tools
        if request.tool_choice.mode != "auto":
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if not request.parallel_tool_calls:
            body["parallel_tool_calls"] = False
    return body | _reasoning(request.template_kwargs) | _prompt_end(request)


def _reasoning(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for the variables of a chat template.

    OpenAI's own API has ``reasoning_effort``, and refuses ``chat_template_kwargs``. So that a model
    is to think is left out if there is an effort, which says this, too.
    """
    others = dict(variables)
    effort = others.pop("reasoning_effort", None)
    if effort not in (None, "", "none"):
        others = {k: v for k, v in others.items() if not (k in _THINKS and v is True)}
    found = {"reasoning_effort": effort, "chat_template_kwargs": others}
    return {name: value for name, value in found.items() if value}


def _message(message: dict[str, Any], images: Iterator[bytes]) -> dict[str, Any]:
    # Not null beside calls: OpenAI's API takes both, llama-cpp-python's server only a text.
    content = message.get("content") or ""
    if isinstance(content, list):
        content = [_part(part, images) for part in content]
    return message | {"content": content}


def _part(part: dict[str, str], images: Iterator[bytes]) -> dict[str, Any]:
    if part["type"] != "image":
        return part
    image = next(images)
    kinds = (kind for start, kind in _MEDIA_TYPES if image.startswith(start))
    encoded = base64.b64encode(image).decode()
    url = f"data:{next(kinds, 'image/png')};base64,{encoded}"
    return {"type": "image_url", "image_url": {"url": url}}


def _sampling(sampling: Sampling) -> dict[str, Any]:
    body = {name: getattr(sampling, name) for name in SAMPLING}
    body = {name: value for name, value in body.items() if value is not UNSET}
    if body.get("max_tokens") == NO_LIMIT:
        body["max_tokens"] = None  # so that the model's default does not take its place
    if body.get("seed", RANDOM_SEED) != RANDOM_SEED:
        body["seed"] += sampling.choice
    if sampling.min_tokens:
        body["min_tokens"] = sampling.min_tokens
    if sampling.ignore_eos:
        body["ignore_eos"] = True
    if sampling.stop_token_ids:
        body["stop_token_ids"] = sampling.stop_token_ids
    if sampling.logit_bias is not UNSET:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    return body


def _response_format(constraint: Constraint) -> dict[str, Any]:
    if constraint.kind != "json_schema":
        raise UnsupportedRequestFields(
            f"{constraint.field!r} is not a JSON schema, and the upstream of a remote model knows "
            "no other constraints. Send a schema, or use a local model.",
            param=constraint.field,
        )
    if constraint.value == {"type": "object"}:
        return {"type": "json_object"}
    schema = {"name": "answer", "schema": constraint.value, "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.name is None:
        return choice.mode
    return {"type": "function", "function": {"name": choice.name}}


def _prompt_end(request: ChatRequest) -> dict[str, Any]:
    """Return the fields of vLLM and SGLang, if the prompt does not end as for any other API."""
    if request.continue_final_message:
        return {"continue_final_message": True, "add_generation_prompt": False}
    if not request.add_generation_prompt:
        return {"add_generation_prompt": False}
    return {}


def _completion(request: CompletionRequest) -> dict[str, Any]:
    sampling = request.sampling
    if sampling.constraint is not UNSET:
        raise UnsupportedRequestFields(
            f"{sampling.constraint.field!r} is not supported by the upstream of a remote model for "
            "a prompt without messages. Send a chat, or use a local model.",
            param=sampling.constraint.field,
        )
    if sampling.logprobs is not UNSET:
        raise UnsupportedRequestFields(
            "Log probabilities are not supported for a remote model's prompt without messages. "
            "Send a chat, or use a local model.",
            param="logprobs",
        )
    body: dict[str, Any] = {"prompt": request.prompt} | _sampling(sampling)
    if request.echo:
        body["echo"] = True
    if request.suffix:
        body["suffix"] = request.suffix
    return body


def _embedding(request: EmbeddingRequest) -> dict[str, Any]:
    """Write a request for embeddings.

    The upstream decides what becomes of a text that is too long: APIs have no common field for it.
    Most refuse it, or use its beginning.
    """
    if request.truncate == "start":
        raise UnsupportedRequestFields(
            "The upstream of a remote model cannot leave out the start of a text. Shorten the "
            "texts.",
            param="truncate",
        )
    if request.prompt_name is not None:
        raise UnsupportedRequestFields(
            "'prompt_name' is not supported by the upstream of a remote model. Put the prompt "
            "before each text.",
            param="prompt_name",
        )
    return {"input": request.inputs, "encoding_format": "float"}
