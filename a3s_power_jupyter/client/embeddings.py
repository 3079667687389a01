"""Embedding requests and their replies."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import msgspec

from ..contract.parameters import MAX_INPUTS
from .replies import invalid

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Vector = numpy.typing.NDArray[numpy.float32]


class Embedding(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class Embeddings(msgspec.Struct):
    data: list[Embedding]


def batches(texts: str | list[str]) -> list[str | list[str]]:
    """Split a list of texts that is too long for one request."""
    if isinstance(texts, list) and len(texts) > MAX_INPUTS and isinstance(texts[0], str):
        return [texts[i : i + MAX_INPUTS] for i in range(0, len(texts), MAX_INPUTS)]
    return [texts]


def count_of(batch: str | list[str]) -> int:
    """Return how many vectors a request with this input gets. Token ids are one text."""
    return 1 if isinstance(batch, str) or (batch and isinstance(batch[0], int)) else len(batch)


def vectors(reply: Embeddings, count: int) -> list[Vector]:
    """Return the vectors of an embedding reply in the order of their texts.

    Raises
    ------
    UpstreamError
        If the reply does not have one vector of finite numbers for each of `count` texts.
    """
    rows = {i if row.index is None else row.index: row for i, row in enumerate(reply.data)}
    if len(reply.data) != count or sorted(rows) != [*range(count)]:
        indices = [row.index for row in reply.data][:10]
        raise invalid(
            f"it has {len(reply.data)} vectors for {count} texts, and their first indices are "
            f"{indices}"
        )
    return [_vector(rows[i].embedding, f"data[{i}].embedding") for i in range(count)]


def stacked(rows: list[Vector]) -> Vector:
    """Return vectors of the same length as the rows of a writable matrix."""
    import numpy

    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        raise invalid(f"the vectors have the lengths {lengths[:10]}")
    return numpy.stack(rows)


def _vector(value: str | list[float], path: str) -> Vector:
    """Decode base64, or the list of numbers that some upstreams send in its place."""
    import numpy

    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise invalid(f"{path} is not base64") from None
        if len(data) % 4:
            raise invalid(f"{path} has {len(data)} bytes, which are not a vector of float32")
        vector = numpy.frombuffer(data, "<f4").astype(numpy.float32, copy=False)
    else:
        with numpy.errstate(over="ignore"):
            vector = numpy.array(value, numpy.float32)
    if not numpy.isfinite(vector).all():
        raise invalid(f"{path} has numbers that are not finite")
    return vector
