"""Answer requests about tokens, by the same rules for all engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contract.errors import InvalidParameter
from ..contract.types import (
    Detokenized,
    DetokenizeRequest,
    Rendered,
    RenderRequest,
    TokenItem,
    Tokenized,
    TokenRequest,
)
from ..contract.types.tokens import pack_tokens, unpack_tokens
from .base import Engine
from .checks import USUAL_TOKEN

#: Most characters of a text, unless a large context has `USUAL_TOKEN` for each of its tokens. A
#: text may be longer than the context, because programs count its tokens to find out whether it
#: fits. Unusual texts of a million characters take 3 s.
MIN_MAX_TEXT = 2**20

#: Most tokens with their pieces.
MAX_PIECES = 2**18


def answer(engine: Engine[Any], request: TokenRequest) -> TokenItem:
    """Answer a request with a loaded model.

    Raises
    ------
    PowerError
        If the request cannot be served.
    """
    if isinstance(request, DetokenizeRequest):
        return _detokenized(engine, request)
    if isinstance(request, RenderRequest):
        prompt, tokens = engine.render(request.chat)
        return Rendered(prompt, _tokenized(engine, tokens, request.with_pieces, "messages"))
    check_text(request.text, engine.info.num_ctx, request.param)
    found = engine.tokenizer.tokenize(
        request.text, add_special=request.add_special, parse_special=request.parse_special
    )
    return _tokenized(engine, found, request.with_pieces, request.param)


def check_text(text: str, num_ctx: int, param: str) -> None:
    """Refuse a text that would take many seconds.

    Raises
    ------
    InvalidParameter
        If it has more than `MIN_MAX_TEXT` characters, and far more than fit into the context.
    """
    limit = max(MIN_MAX_TEXT, USUAL_TOKEN * num_ctx)
    if len(text) > limit:
        raise InvalidParameter(
            f"The text has {len(text):,} characters, more than the {limit:,} that are tokenized in "
            "one request. Send it in parts.",
            param=param,
        )


def check_messages(text: str, num_ctx: int) -> None:
    """Refuse the prompt of a chat as `check_text` does."""
    check_text(text, num_ctx, "messages")


def _detokenized(engine: Engine[Any], request: DetokenizeRequest) -> Detokenized:
    try:
        return Detokenized(engine.tokenizer.detokenize(unpack_tokens(request.tokens)))
    except InvalidParameter as error:
        raise InvalidParameter(error.message, param="tokens") from None


def _tokenized(
    engine: Engine[Any], tokens: Sequence[int], with_pieces: bool, param: str
) -> Tokenized:
    pieces = []
    if with_pieces:
        if len(tokens) > MAX_PIECES:
            raise InvalidParameter(
                f"The text has {len(tokens):,} tokens, and at most {MAX_PIECES:,} are returned "
                "with their pieces. Send it in parts, or request the ids only.",
                param=param,
            )
        piece = engine.tokenizer.piece
        pieces = [piece(token) if token >= 0 else b"" for token in tokens]
    return Tokenized(pack_tokens(tokens), engine.info.num_ctx, pieces)
