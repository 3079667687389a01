"""The vectors of replies with embeddings."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator

from ..contract.errors import InvalidParameter
from ..contract.types import Embedded


def read_rows(embedded: Embedded, dimensions: int | None = None) -> Iterator[bytes]:
    """Return the vectors as little-endian float32, one after the other.

    Parameters
    ----------
    dimensions : int or None
        How many numbers of each vector to keep; None for all. A shortened vector is normalized
        again, as in OpenAI's API.

    Raises
    ------
    InvalidParameter
        If the model has fewer dimensions.
    """
    available = embedded.dimensions
    if dimensions is not None and dimensions > available:
        raise InvalidParameter(
            f"The model has {available} dimensions. Request at most as many, not {dimensions}.",
            param="dimensions",
        )
    vectors, size = embedded.vectors, 4 * available
    whole = (vectors[start : start + size] for start in range(0, len(vectors), size))
    if dimensions is None or dimensions == available:
        return whole
    return (_shortened(row, dimensions) for row in whole)


def numbers(row: bytes) -> list[float]:
    """Return the numbers of a row of `read_rows`."""
    return _from_little_endian(row).tolist()


def _shortened(row: bytes, dimensions: int) -> bytes:
    kept = _from_little_endian(row[: 4 * dimensions])
    norm = math.sqrt(sum(x * x for x in kept)) or 1.0
    return _to_little_endian(array("f", (x / norm for x in kept)))


def _from_little_endian(data: bytes) -> array[float]:
    values = array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _to_little_endian(values: array[float]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
