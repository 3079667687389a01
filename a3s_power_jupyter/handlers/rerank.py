"""Rank documents: the request of Jina's and Cohere's API, as servers of local models have it."""

from __future__ import annotations

import math
import uuid
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import InvalidParameter, PowerError, cannot_rerank
from ..contract.parameters import MAX_INPUTS, PositiveInt
from ..contract.types import Manifest, Ranked, RerankRequest
from . import metrics
from .fields import NO_LIMIT, Refused, read_fields, read_keep_alive, required_string, wrong_value
from .forwarding import ForwardingHandler
from .texts import read_truncate

#: Names that Jina and Voyage have for a field.
ALIASES = {"truncation": "truncate", "top_k": "top_n"}

_MEANINGS = {("top_n", -1): NO_LIMIT}

#: Fields of Cohere, Jina, vLLM and Text Embeddings Inference that would change the scores.
REFUSED: Refused = {
    "texts": (([],), "Send the texts as documents."),
    "rank_fields": (([], ["text"]), "Only the text of a document is ranked. Send one text."),
    "instruction": (("",), "Put the instruction into the query, as the model was trained for."),
    "return_embeddings": ((False,), "Use /v1/embeddings with an embedding model."),
    "truncate_prompt_tokens": ((-1,), "Use truncate, or max_tokens_per_doc."),
    "truncation_direction": (("Right", "right"), "Use truncate with 'end' or 'start'."),
    "use_activation": ((True,), "Use raw_scores for the logits."),
    "activation": ((True,), "Use raw_scores for the logits."),
}


class RerankFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a request. The second group are extensions of Cohere's API."""

    model: Annotated[str, Meta(min_length=1)]
    query: str
    documents: Annotated[list[Any], Meta(min_length=1)]
    top_n: PositiveInt | UnsetType = UNSET
    return_documents: bool = False
    max_tokens_per_doc: PositiveInt | UnsetType = UNSET

    truncate: bool | Annotated[str, Meta(max_length=64)] = False
    raw_scores: bool = False
    keep_alive: str | int | float | None = None


class RerankCall(msgspec.Struct, frozen=True):
    """A request to rank documents.

    Attributes
    ----------
    documents : list
        As in the request: texts, or objects with a text.
    top_n : int
        Number of results.
    """

    model: str
    request: RerankRequest
    documents: list[Any]
    top_n: int
    return_documents: bool
    raw_scores: bool
    keep_alive: float | None


def read_rerank(body: dict[str, Any]) -> RerankCall:
    """Read the body of ``POST /v1/rerank``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, RerankFields, aliases=ALIASES, meanings=_MEANINGS, refused=REFUSED)
    if not fields.query:
        raise InvalidParameter("'query' is empty. Give the text to rank by.", param="query")
    truncate = read_truncate(fields.truncate)
    limit = fields.max_tokens_per_doc
    if truncate == "start" and limit is not UNSET:
        raise InvalidParameter(
            "'max_tokens_per_doc' keeps the beginning of a document, and truncate='start' its end. "
            "Omit one of them.",
            param="truncate",
        )
    documents = _read_documents(fields.documents)
    return RerankCall(
        model=fields.model,
        request=RerankRequest(fields.query, documents, truncate, None if limit is UNSET else limit),
        documents=fields.documents,
        top_n=len(documents) if fields.top_n is UNSET else fields.top_n,
        return_documents=fields.return_documents,
        raw_scores=fields.raw_scores,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def _read_documents(values: list[Any]) -> list[str]:
    if len(values) > MAX_INPUTS:
        raise InvalidParameter(
            f"'documents' has more than {MAX_INPUTS:,} items. Send several requests.",
            param="documents",
        )
    return [_read_document(value, f"documents[{i}]") for i, value in enumerate(values)]


def _read_document(value: Any, at: str) -> str:
    if isinstance(value, dict):
        return required_string(value, "text", at)
    if not isinstance(value, str):
        raise wrong_value(at, "a text, or an object with a text", value)
    return value


def rerank_reply(call: RerankCall, ranked: Ranked) -> dict[str, Any]:
    """Return the reply, with the most relevant document first."""
    order = sorted(range(len(ranked.scores)), key=lambda i: (-ranked.scores[i], i))
    tokens = ranked.prompt_tokens
    return {
        "id": f"rerank-{uuid.uuid4().hex}",
        "object": "list",
        "model": call.model,
        "results": [_result(call, ranked, i) for i in order[: call.top_n]],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "meta": {"tokens": {"input_tokens": tokens}},
    }


def _result(call: RerankCall, ranked: Ranked, index: int) -> dict[str, Any]:
    score = ranked.scores[index]
    result: dict[str, Any] = {
        "index": index,
        "relevance_score": score if call.raw_scores else sigmoid(score),
    }
    if call.return_documents:
        document = call.documents[index]
        result["document"] = {"text": document} if isinstance(document, str) else document
    return result


def sigmoid(x: float) -> float:
    """Return the probability with the logit `x`."""
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


class RerankHandler(ForwardingHandler):
    route = "rerank"
    fields = RerankFields
    aliases = ALIASES
    refused = REFUSED

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_rerank(body))
        if manifest.generates:  # which needs no load to find out
            raise cannot_rerank(f"The model {manifest.name!r} generates text")
        await self.until_disconnect(self._rank(manifest, call))

    async def _rank(self, manifest: Manifest, call: RerankCall) -> None:
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            ranked = await self.service.inference.rerank(manifest, call.request, call.keep_alive)
        metrics.PROMPT_TOKENS.labels(manifest.name).inc(ranked.prompt_tokens)
        await self.finish_pieces(rerank_reply(call, ranked))

    def error_body(self, error: PowerError) -> dict[str, Any]:
        """Return our error, with its message also where Cohere's and Jina's clients look for it."""
        return {**super().error_body(error), "message": error.message, "detail": error.message}
