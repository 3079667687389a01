"""Documents in the order of their relevance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import msgspec

from ..contract.errors import InvalidParameter
from ..contract.parameters import MAX_INPUTS
from ..contract.text import printable, shortened
from ..display import output
from ..display.output import Output
from .replies import invalid


class Match(msgspec.Struct, frozen=True):
    """A document with its relevance.

    Attributes
    ----------
    index : int
        Position of the document in the request.
    score : float
        Relevance, from 0 to 1; with ``raw_scores``, the logit of the model.
    document : str
        The document.
    """

    index: int
    score: float
    document: str


class Ranking(tuple[Match, ...]):
    """Matches, the most relevant first. In a notebook, they are displayed as a table."""

    @property
    def documents(self) -> list[str]:
        """The documents, the most relevant first."""
        return [match.document for match in self]

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html

    def _shown(self) -> Output:
        rows = [(f"{m.score:.4f}", str(m.index), _text(m)) for m in self]
        headers = ("Score", "Index", "Document")
        return output.table(headers, rows, empty="No documents.", numbers=headers[:2])


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class Results(msgspec.Struct):
    """The reply of ``POST /v1/rerank``."""

    results: list[_Result]


def batches(documents: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Split documents that are too many for one request; yield the index of the first of each.

    Raises
    ------
    InvalidParameter
        If the documents are not texts.
    """
    texts = [] if isinstance(documents, str) else [*documents]
    if isinstance(documents, str) or not all(isinstance(text, str) for text in texts):
        raise InvalidParameter("The documents must be a list of texts.", param="documents")
    texts = [str(text) for text in texts]  # NumPy has a type of its own
    for start in range(0, max(1, len(texts)), MAX_INPUTS):
        yield start, texts[start : start + MAX_INPUTS]


def matches(reply: Results, start: int, documents: list[str]) -> list[Match]:
    """Return the documents that a reply lists.

    Parameters
    ----------
    start : int
        Index of the first of `documents`.

    Raises
    ------
    UpstreamError
        If the reply lists a document twice, one that was not sent, or a score that is no number.
    """
    indices = [result.index for result in reply.results]
    if len(set(indices)) != len(indices) or not all(0 <= i < len(documents) for i in indices):
        raise invalid(f"its results have the indices {indices[:10]} for {len(documents)} documents")
    if not all(math.isfinite(result.relevance_score) for result in reply.results):
        raise invalid("it has scores that are not finite")
    return [
        Match(start + result.index, result.relevance_score, documents[result.index])
        for result in reply.results
    ]


def ranking(found: list[Match], top_n: int | None) -> Ranking:
    """Return the first `top_n` of all matches, or all of them, sorted by score."""
    found = sorted(found, key=lambda match: (-match.score, match.index))
    return Ranking(found if top_n is None or top_n < 0 else found[:top_n])


def _text(match: Match) -> str:
    return printable(shortened(" ".join(match.document.split())))
