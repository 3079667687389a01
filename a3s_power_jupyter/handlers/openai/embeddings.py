"""Build OpenAI's replies with embeddings."""

from __future__ import annotations

import base64
from typing import Any

from ...contract.types import Embedded
from ..vectors import numbers, read_rows
from .requests import EmbeddingCall


def embedding_reply(call: EmbeddingCall, embedded: Embedded) -> dict[str, Any]:
    """Return the reply of ``POST /v1/embeddings``.

    Raises
    ------
    InvalidParameter
        If the request asks for more dimensions than the model has.
    """
    rows = read_rows(embedded, call.dimensions)
    data = (
        {"object": "embedding", "index": i, "embedding": _vector(row, call.base64)}
        for i, row in enumerate(rows)
    )
    usage = {"prompt_tokens": embedded.prompt_tokens, "total_tokens": embedded.prompt_tokens}
    return {"object": "list", "data": data, "model": call.model, "usage": usage}


def _vector(row: bytes, as_base64: bool) -> list[float] | str:
    return base64.b64encode(row).decode() if as_base64 else numbers(row)
