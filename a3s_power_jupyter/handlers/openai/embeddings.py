"""Build OpenAI's replies with embeddings."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from typing import Any

from ...contract.errors import InvalidParameter
from ...contract.types import Embedded
from .requests import EmbeddingCall


def embedding_reply(call: EmbeddingCall, embedded: Embedded) -> dict[str, Any]:
    """Return the reply of ``POST /v1/embeddings``.

    Raises
    ------
    InvalidParameter
        If the request asks for more dimensions than the model has.
    """
    available = embedded.dimensions
    dimensions = available if call.dimensions is None else call.dimensions
    if dimensions > available:
        raise InvalidParameter(
            f"The model has {available} dimensions. Request at most as many, not {dimensions}.",
            param="dimensions",
        )
    vectors, size = embedded.vectors, 4 * available
    rows = (vectors[start : start + size] for start in range(0, len(vectors), size))
    data = (
        {"object": "embedding", "index": i, "embedding": _vector(row, dimensions, call.base64)}
        for i, row in enumerate(rows)
    )
    usage = {"prompt_tokens": embedded.prompt_tokens, "total_tokens": embedded.prompt_tokens}
    return {"object": "list", "data": data, "model": call.model, "usage": usage}


def _vector(row: bytes, dimensions: int, as_base64: bool) -> list[float] | str:
    """Return the first `dimensions` numbers of `row`, which is little-endian float32.

    A shortened vector is normalized again, as in OpenAI's API.
    """
    if 4 * dimensions == len(row):
        return base64.b64encode(row).decode() if as_base64 else _from_little_endian(row).tolist()
    numbers = _from_little_endian(row[: 4 * dimensions])
    norm = math.sqrt(sum(x * x for x in numbers)) or 1.0
    numbers = array("f", (x / norm for x in numbers))
    return base64.b64encode(_to_little_endian(numbers)).decode() if as_base64 else numbers.tolist()


def _from_little_endian(data: bytes) -> array[float]:
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _to_little_endian(numbers: array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
