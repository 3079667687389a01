"""Pairs of a query and a document, by the same rules for all engines."""

from __future__ import annotations

from ..contract.errors import UnsupportedRequestFields


def cannot_rerank(reason: str) -> UnsupportedRequestFields:
    """Return the error of a `RerankRequest` to a model that is no cross-encoder.

    Parameters
    ----------
    reason : str
        What the model is or lacks: a sentence without its period.
    """
    return UnsupportedRequestFields(
        f"{reason}, so it cannot rank documents. Choose a model with the capability rerank: a "
        "cross-encoder, such as BAAI/bge-reranker-v2-m3."
    )
