"""Handlers of the routes about tokens: count them, convert them, and render a chat.

Bodies and replies have the fields of both llama.cpp's server and vLLM, so that the clients of both
work. A text in ``content`` is tokenized with llama.cpp's defaults, one in ``prompt`` with vLLM's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import InvalidParameter
from ..contract.types import (
    ChatRequest,
    DetokenizeRequest,
    Manifest,
    RenderRequest,
    Tokenized,
    TokenizeRequest,
)
from ..contract.types.tokens import pack_tokens, unpack_tokens
from .fields import read_fields, read_keep_alive
from .inference import InferenceHandler
from .openai.fields import ALIASES as CHAT_ALIASES
from .openai.fields import ChatFields
from .openai.refused import REFUSED
from .openai.requests import read_chat

#: Most tokens in a request, as of `engine.tokens.MAX_PIECES`.
MAX_TOKENS = 2**18

#: The fields that can have the text.
TEXTS = ("prompt", "content", "text")

_ALIASES = {"add_special": "add_special_tokens"}

TokenId = Annotated[int, Meta(ge=-(2**31), lt=2**31)]


class TextFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of ``/v1/tokenize`` with a text."""

    model: str
    prompt: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    add_special_tokens: bool | UnsetType = UNSET
    parse_special: bool = True
    with_pieces: bool = False
    return_token_strs: bool = False
    keep_alive: str | int | float | None = None


class MessagesFields(ChatFields, frozen=True, kw_only=True):
    """Fields of ``/v1/tokenize`` with messages."""

    with_pieces: bool = False
    return_token_strs: bool = False


class TokensFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of ``/v1/detokenize``."""

    model: str
    tokens: Annotated[list[TokenId], Meta(max_length=MAX_TOKENS)]
    keep_alive: str | int | float | None = None


class TokenizeCall(msgspec.Struct, frozen=True):
    """A request for the tokens of a text or of a chat.

    Attributes
    ----------
    with_pieces, with_strings : bool
        Whether the reply has the tokens as llama.cpp's server returns them with their pieces, and
        vLLM's ``token_strs``.
    """

    request: TokenizeRequest | RenderRequest
    with_pieces: bool
    with_strings: bool
    keep_alive: float | None


def read_tokenize(body: dict[str, Any]) -> TokenizeCall:
    """Read the body of ``POST /v1/tokenize``.

    Raises
    ------
    InvalidParameter
        If there is not exactly one text or list of messages, or a field has an invalid value.
    """
    given = [name for name in (*TEXTS, "messages") if body.get(name) is not None]
    if len(given) > 1 and all(body[name] == body[given[0]] for name in given):
        del given[1:]  # the same text, for whichever server answers
    if len(given) != 1:
        raise InvalidParameter(
            "Give one of 'prompt', 'content', 'text' and 'messages'"
            + (f", not {' and '.join(map(repr, given))}." if given else "."),
            param=given[1] if given else "prompt",
        )
    [name] = given
    if name == "messages":
        return _read_messages(body)
    fields = read_fields(body, TextFields, aliases=_ALIASES)
    add_special = fields.add_special_tokens
    pieces = fields.with_pieces or fields.return_token_strs
    request = TokenizeRequest(
        getattr(fields, name),
        add_special=name != "content" if add_special is UNSET else add_special,
        parse_special=fields.parse_special,
        with_pieces=pieces,
        param=name,
    )
    keep_alive = read_keep_alive(fields.keep_alive)
    return TokenizeCall(request, fields.with_pieces, fields.return_token_strs, keep_alive)


def _read_messages(body: dict[str, Any]) -> TokenizeCall:
    fields = read_fields(body, MessagesFields, aliases=CHAT_ALIASES, refused=REFUSED)
    chat, keep_alive = read_template_call(body)
    pieces = fields.with_pieces or fields.return_token_strs
    request = RenderRequest(chat, with_pieces=pieces)
    return TokenizeCall(request, fields.with_pieces, fields.return_token_strs, keep_alive)


def read_template_call(body: dict[str, Any]) -> tuple[ChatRequest, float | None]:
    """Read the body of ``POST /v1/chat/template``, which is that of a chat completion.

    Returns
    -------
    chat : ChatRequest
    keep_alive : float or None
        Seconds.
    """
    call = read_chat(body)
    chat = next(request for request in call.requests if isinstance(request, ChatRequest))
    return chat, call.keep_alive


def read_detokenize(body: dict[str, Any]) -> tuple[DetokenizeRequest, float | None]:
    """Read the body of ``POST /v1/detokenize``. Raises `InvalidParameter`."""
    fields = read_fields(body, TokensFields)
    return DetokenizeRequest(pack_tokens(fields.tokens)), read_keep_alive(fields.keep_alive)


def tokenize_reply(call: TokenizeCall, found: Tokenized) -> dict[str, Any]:
    """Return the reply of ``POST /v1/tokenize``."""
    tokens: Iterator[Any] = iter(unpack_tokens(found.tokens))
    if call.with_pieces:
        tokens = (
            {"id": token, "piece": _piece(piece)}
            for token, piece in zip(unpack_tokens(found.tokens), found.pieces, strict=True)
        )
    strings = (piece.decode("utf-8", "replace") for piece in found.pieces)
    return {
        "count": found.count,
        "max_model_len": found.num_ctx or None,
        "tokens": tokens,
        "token_strs": strings if call.with_strings else None,
    }


def _piece(piece: bytes) -> str | list[int]:
    """Return the text of a piece, or its bytes if they are no whole characters."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return [*piece]


class TokenizeHandler(InferenceHandler):
    fields = TextFields
    aliases = _ALIASES

    def fields_of(self, body: dict[str, Any]) -> type[msgspec.Struct]:
        return MessagesFields if body.get("messages") is not None else TextFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_tokenize(body))
        await self.until_disconnect(self._tokenize(manifest, call))

    async def _tokenize(self, manifest: Manifest, call: TokenizeCall) -> None:
        inference, request = self.service.inference, call.request
        if isinstance(request, TokenizeRequest):
            found = await inference.tokenize(manifest, request, call.keep_alive)
        else:
            rendered = await self.rendered(
                manifest, request.chat, call.keep_alive, with_pieces=request.with_pieces
            )
            found = rendered.tokenized
        await self.finish_pieces(tokenize_reply(call, found))


class DetokenizeHandler(InferenceHandler):
    fields = TokensFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        request, keep_alive = await self.decode(lambda: read_detokenize(body))
        detokenize = self.service.inference.detokenize(manifest, request, keep_alive)
        found = await self.until_disconnect(detokenize)
        self.finish_json({"content": found.text, "prompt": found.text})


class ChatTemplateHandler(InferenceHandler):
    fields = ChatFields
    aliases = CHAT_ALIASES
    refused = REFUSED

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        chat, keep_alive = await self.decode(lambda: read_template_call(body))
        found = await self.until_disconnect(self.rendered(manifest, chat, keep_alive))
        self.finish_json(
            {
                "prompt": found.prompt,
                "prompt_tokens": found.prompt_tokens,
                "max_model_len": found.tokenized.num_ctx or None,
            }
        )
