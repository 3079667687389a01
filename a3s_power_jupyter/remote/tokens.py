"""Ask the upstream of a remote model about tokens.

OpenAI's API has no routes for this. llama.cpp's server, vLLM and A3S Power have ``/tokenize`` and
``/detokenize`` beside ``/v1``; a chat is tokenized there by vLLM and A3S Power, and rendered by
``/apply-template`` of llama.cpp's server and A3S Power.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..contract.errors import UnsupportedRequestFields, UpstreamError
from ..contract.types import (
    ChatRequest,
    Detokenized,
    DetokenizeRequest,
    Rendered,
    RenderRequest,
    Sampling,
    TokenItem,
    Tokenized,
    TokenizeRequest,
    TokenRequest,
)
from ..contract.types.tokens import pack_tokens, unpack_tokens
from .chunks import checked
from .requests import written

#: Sends a body to a route beside ``/v1``, and returns the reply; None if there is no such route.
Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]

T = TypeVar("T")

_TokenId = Annotated[int, Meta(ge=-(2**31), lt=2**31)]

#: The fields of a chat that belong to its prompt.
_PROMPT_FIELDS = (
    "messages", "tools", "tool_choice", "chat_template_kwargs", "reasoning_effort",
    "add_generation_prompt", "continue_final_message",
)  # fmt: skip


class _Tokens(msgspec.Struct):
    """A reply of ``/tokenize``; llama.cpp's server sends the first field only."""

    tokens: list[_TokenId]
    count: int | None = None
    max_model_len: Annotated[int, Meta(ge=0, lt=2**31)] = 0


class _Text(msgspec.Struct):
    """A reply of ``/detokenize``: ``content`` in llama.cpp's server, ``prompt`` in vLLM."""

    content: str | None = None
    prompt: str | None = None


class _Prompt(msgspec.Struct):
    prompt: str


async def answer_remotely(ask: Ask, request: TokenRequest) -> TokenItem:
    """Answer a request with the upstream's routes.

    Raises
    ------
    UnsupportedRequestFields
        If the upstream does not have them, or cannot do what is requested.
    UpstreamError
        If a reply is not as expected.
    """
    if isinstance(request, DetokenizeRequest):
        return Detokenized(await _detokenize(ask, request.tokens))
    if request.with_pieces:
        raise UnsupportedRequestFields(
            "The pieces of a remote model's tokens are not known. Request the ids only.",
            param="model",
        )
    if isinstance(request, TokenizeRequest):
        return await _tokenize(ask, request)
    return await _render(ask, request)


async def _tokenize(ask: Ask, request: TokenizeRequest) -> Tokenized:
    return _tokenized(
        await _asked(
            ask,
            "tokenize",
            {
                "prompt": request.text,
                "content": request.text,
                "add_special_tokens": request.add_special,
                "add_special": request.add_special,
                "parse_special": request.parse_special,
            },
            _Tokens,
        )
    )


async def _detokenize(ask: Ask, tokens: bytes) -> str:
    body = {"tokens": unpack_tokens(tokens).tolist()}
    found = await _asked(ask, "detokenize", body, _Text)
    text = found.prompt if found.content is None else found.content
    if text is None:
        raise UpstreamError("The upstream's reply to /detokenize has no text.")
    return text


async def _render(ask: Ask, request: RenderRequest) -> Rendered:
    chat = msgspec.structs.replace(request.chat, sampling=Sampling())
    body = {name: value for name, value in written(chat)[1].items() if name in _PROMPT_FIELDS}
    found = await _asked(ask, "tokenize", body, _Tokens)
    if found.count is None:  # llama.cpp's server, which ignores messages here
        return await _render_first(ask, chat, body)
    reply = await ask("apply-template", body)
    if reply is not None:
        return Rendered(checked(reply, _Prompt).prompt, _tokenized(found))
    tokens = _tokenized(found)
    return Rendered(await _detokenize(ask, tokens.tokens), tokens)


async def _render_first(ask: Ask, chat: ChatRequest, body: dict[str, Any]) -> Rendered:
    if chat.images:
        raise UnsupportedRequestFields(
            "The upstream of this model cannot count the tokens of images. Send text only.",
            param="messages",
        )
    prompt = (await _asked(ask, "apply-template", body, _Prompt)).prompt
    return Rendered(prompt, await _tokenize(ask, TokenizeRequest(prompt)))


def _tokenized(found: _Tokens) -> Tokenized:
    return Tokenized(pack_tokens(found.tokens), found.max_model_len)


async def _asked(ask: Ask, route: str, body: dict[str, Any], type_: type[T]) -> T:
    reply = await ask(route, body)
    if reply is None:
        raise UnsupportedRequestFields(
            f"The upstream of this model has no /{route} beside its base_url, so its tokens are "
            "not known. llama.cpp's server, vLLM and A3S Power have it.",
            param="model",
        )
    return checked(reply, type_)
