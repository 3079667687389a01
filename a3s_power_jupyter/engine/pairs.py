"""Pairs of a query and a document, by the same rules for all engines.

A pair that is too long is refused. If the request asks for it, a part of the document is left out,
but nothing of the query, and no special tokens.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..contract.errors import UnsupportedRequestFields
from ..contract.types import RerankRequest
from .checks import prompt_too_long
from .embedding_texts import tokenize_long


def only_ranks() -> UnsupportedRequestFields:
    """Return the error of a request for anything else to a cross-encoder."""
    return UnsupportedRequestFields(
        "This model only ranks documents. Use client.rerank(...) in Python, or POST /v1/rerank, or "
        "choose another model."
    )


@dataclass(frozen=True)
class Pair:
    """The tokens of a query and a document.

    Attributes
    ----------
    start, end : int
        Where the tokens of the document begin and end.
    types : sequence of int
        Token types (segments), as many as `tokens`; empty for a model without them.
    """

    tokens: Sequence[int]
    start: int
    end: int
    types: Sequence[int]

    def __len__(self) -> int:
        return len(self.tokens)

    def with_document(self, first: int, last: int) -> Pair:
        """Return the pair with the document's tokens from index `first` to `last` only."""
        before, after = self.start + first, self.start + last
        types = self.types and self._cut(self.types, before, after)
        return Pair(
            self._cut(self.tokens, before, after), self.start, self.start + last - first, types
        )

    def _cut(self, values: Sequence[int], before: int, after: int) -> list[int]:
        return [*values[: self.start], *values[before:after], *values[self.end :]]

    def packed(self) -> Pair:
        """Return the pair in a tenth of the memory: a long query is part of thousands of pairs."""
        return replace(self, tokens=array("i", self.tokens), types=array("b", self.types))


def read_pairs(
    request: RerankRequest,
    num_ctx: int,
    tokenize: Callable[[str, str], Pair],
    *,
    larger: bool = False,
) -> list[Pair]:
    """Return the pair of the query with each document, as far as it fits.

    Parameters
    ----------
    tokenize : callable
        Returns the pair of a query and a document.
    larger : bool
        Whether the model can be loaded with a larger context.

    Raises
    ------
    ContextLengthExceeded
        If the query, or a document that must not be cut, is too long.
    """
    query, complete = tokenize_long(request.query, num_ctx, "end", lambda text: tokenize(text, ""))
    if len(query) >= num_ctx:
        raise prompt_too_long(
            num_ctx,
            f"the query has {_count(len(query), num_ctx, complete)} tokens",
            f"Shorten it, to leave room for the documents{_larger(larger)}.",
            param="query",
        )
    return [
        _read_pair(request, i, num_ctx, tokenize, larger=larger).packed()
        for i in range(len(request.documents))
    ]


def _read_pair(
    request: RerankRequest,
    index: int,
    num_ctx: int,
    tokenize: Callable[[str, str], Pair],
    *,
    larger: bool,
) -> Pair:
    pair, complete = tokenize_long(
        request.documents[index],
        num_ctx,
        request.truncate,
        lambda text: tokenize(request.query, text),
    )
    size = pair.end - pair.start
    room = num_ctx - (len(pair) - size)
    if request.document_tokens is not None and request.document_tokens < size:
        pair, complete = pair.with_document(0, request.document_tokens), True
        size = request.document_tokens
    if size <= room:
        return pair
    if request.truncate == "none":
        count = _count(len(pair), num_ctx, complete)
        raise prompt_too_long(
            num_ctx,
            f"documents[{index}] and the query have {count} tokens together",
            "Split the document, or set truncate to 'end' or 'start' to leave out a part of it"
            f"{_larger(larger)}.",
            param=f"documents[{index}]",
        )
    if request.truncate == "start":
        return pair.with_document(size - room, size)
    return pair.with_document(0, room)


def _count(tokens: int, num_ctx: int, complete: bool) -> str:
    return f"{tokens:,}" if complete else f"more than {num_ctx:,}"


def _larger(larger: bool) -> str:
    return ", or load the model with a larger num_ctx" if larger else ""
