"""Fit the texts of embedding requests into a model, by the same rules for all engines.

A text that is too long is refused. If the request asks for it, its end or its beginning is left
out, but not the special tokens around the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

from ..contract.errors import InvalidParameter, PowerError, UnsupportedRequestFields
from ..contract.types import Truncate
from .cancellation import is_cancelled
from .checks import CUT_TOKENS, PIECE, USUAL_TOKEN, prompt_too_long

Tokens = TypeVar("Tokens", bound=Sized)


def only_embeds() -> UnsupportedRequestFields:
    """Return the error of a request for text to a model that only computes embeddings."""
    return UnsupportedRequestFields(
        "This model only computes embeddings. Use client.embed(...) in Python, or POST "
        "/v1/embeddings, or choose another model."
    )


def tokenize_long(
    text: str, num_ctx: int, truncate: Truncate, tokenize: Callable[[str], Tokens]
) -> tuple[Tokens, bool]:
    """Tokenize a text, or enough of it to exceed the context.

    Parameters
    ----------
    truncate : Truncate
        ``"start"`` if the end of the text is needed; otherwise its beginning is.

    Returns
    -------
    tokens : list of int
        Or another result of `tokenize`, with the number of tokens as its length.
    complete : bool
        Whether these are the tokens of the whole text.

    Raises
    ------
    PowerError
        If the request is cancelled meanwhile.
    """
    size = max(PIECE, USUAL_TOKEN * num_ctx)
    _check_cancelled()  # a request may have thousands of texts
    while size < len(text):
        _check_cancelled()
        tokens = tokenize(text[-size:] if truncate == "start" else text[:size])
        if len(tokens) > num_ctx + CUT_TOKENS:
            return tokens, False
        size *= 2
    return tokenize(text), True


def _check_cancelled() -> None:
    if is_cancelled():
        raise PowerError("The request was cancelled.")


def fit(
    tokens: list[int],
    num_ctx: int,
    truncate: Truncate,
    *,
    kept: tuple[int, int] = (0, 0),
    complete: bool = True,
    where: str = "input",
    larger: bool = False,
) -> list[int]:
    """Return the tokens of a text, without its end or beginning if it is too long.

    Parameters
    ----------
    kept : tuple of int
        Number of tokens at the beginning and at the end that are never left out.
    complete : bool
        Whether `tokens` are those of the whole text.
    where : str
        Path of the text in the request.
    larger : bool
        Whether the model can be loaded with a larger context.

    Raises
    ------
    InvalidParameter
        If the text is empty.
    ContextLengthExceeded
        If the text is too long, and `truncate` is ``"none"``.
    """
    if not tokens:
        raise InvalidParameter(f"{where} is an empty text. Remove it.", param=where)
    if len(tokens) <= num_ctx:
        return tokens
    if truncate == "none":
        count = f"{len(tokens):,}" if complete else f"more than {num_ctx:,}"
        load = ", or load the model with a larger num_ctx" if larger else ""
        raise prompt_too_long(
            num_ctx,
            f"{where} has {count} tokens",
            f"Split the text, or set truncate to 'end' or 'start' to leave out a part of it{load}.",
            param=where,
        )
    first, last = kept if sum(kept) < num_ctx else (0, 0)
    room = num_ctx - first - last
    middle = tokens[first : len(tokens) - last]
    part = middle[-room:] if truncate == "start" else middle[:room]
    return [*tokens[:first], *part, *tokens[len(tokens) - last :]]
