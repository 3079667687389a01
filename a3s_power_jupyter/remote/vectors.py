"""Read the embeddings of upstreams. They are untrusted."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import sys
from array import array
from typing import Any

import msgspec

from ..contract.errors import UpstreamError
from ..contract.types import Embedded
from ..contract.usage import read_usage


class _Row(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


async def read_embeddings(reply: dict[str, Any], inputs: int) -> Embedded:
    """Return the vectors in a reply to `inputs` texts, in their order and with the length 1.

    Parameters
    ----------
    reply : dict
        As `Upstreams.reply` returns it: values are `msgspec.Raw`, except ``usage``.

    Raises
    ------
    UpstreamError
        If there is not one vector for each text, or the vectors are of different lengths.
    """
    data = bytes(reply.get("data") or b"null")
    vectors, dimensions = await asyncio.to_thread(_vectors, data, inputs)
    return Embedded(vectors, dimensions, read_usage(reply.get("usage")).prompt_tokens)


def _vectors(data: bytes, inputs: int) -> tuple[bytes, int]:
    try:
        rows = msgspec.json.decode(data, type=list[_Row])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed() from None
    if any(row.index is not None for row in rows):
        rows.sort(key=lambda row: row.index or 0)
        if [row.index for row in rows] != [*range(len(rows))]:
            raise _malformed()
    vectors = [_normalized(_numbers(row.embedding)) for row in rows]
    dimensions = len(vectors[0]) if vectors else 0
    if len(vectors) != inputs or any(len(vector) != dimensions for vector in vectors):
        raise _malformed()
    return b"".join(map(_little_endian, vectors)), dimensions


def _numbers(embedding: list[float] | str) -> array[float]:
    """Return the numbers of a row: a list, or base64 of little-endian float32."""
    try:
        if isinstance(embedding, list):
            return array("f", embedding)
        numbers = array("f", base64.b64decode(embedding, validate=True))
    except (OverflowError, ValueError, binascii.Error):
        raise _malformed() from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _normalized(vector: array[float]) -> array[float]:
    norm = math.sqrt(math.fsum(x * x for x in vector))
    if not math.isfinite(norm) or not norm:
        raise _malformed()
    return vector if abs(norm - 1) < 1e-6 else array("f", (x / norm for x in vector))


def _little_endian(vector: array[float]) -> bytes:
    if sys.byteorder == "big":
        vector.byteswap()
    return vector.tobytes()


def _malformed() -> UpstreamError:
    return UpstreamError(
        "The upstream's reply does not have one vector of numbers, not all of them 0, for each "
        "text. Check that its model is one for embeddings."
    )
