"""Read JSON replies, which an upstream may have sent in any form."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..contract.errors import UpstreamError
from ..contract.types import Reading, Timings

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Vector = numpy.typing.NDArray[numpy.float32]

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0)]


class Embedding(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class Embeddings(msgspec.Struct):
    data: list[Embedding]


class _Progress(msgspec.Struct):
    """The ``prompt_progress`` object of llama.cpp's server."""

    processed: Count
    total: Count
    cache: Count = 0
    time_ms: Milliseconds = 0.0


class _Timings(msgspec.Struct):
    """The ``timings`` object of llama.cpp's server."""

    prompt_n: Count
    prompt_ms: Milliseconds
    predicted_n: Count
    predicted_ms: Milliseconds
    cache_n: Count = 0


def invalid(reason: object) -> UpstreamError:
    return UpstreamError(
        f"The reply cannot be used: {reason}. If the model is remote, check what its upstream "
        "sends; otherwise, check that the server and this client have the same version."
    )


def decoded(body: bytes, type_: type[T]) -> T:
    """Decode JSON.

    Raises
    ------
    UpstreamError
        If the reply is not JSON, or not of this type. The message names the field.
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(error) from None


def converted(value: Any, type_: type[T]) -> T:
    """Convert decoded JSON. Raises as `decoded` does."""
    try:
        return msgspec.convert(value, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise invalid(error) from None


def timings_of(wire: Any) -> Timings | None:
    """Convert ``timings``; None if they are missing or have another meaning for an upstream."""
    try:
        timings = msgspec.convert(wire, _Timings)
    except msgspec.ValidationError:
        return None
    return Timings(*msgspec.structs.astuple(timings))


def reading_of(wire: Any) -> Reading | None:
    """Convert ``prompt_progress``; None if it is missing or has another meaning."""
    try:
        progress = msgspec.convert(wire, _Progress)
    except msgspec.ValidationError:
        return None
    return Reading(progress.processed, progress.total, progress.cache, progress.time_ms)


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
    return [_vector(rows[i].embedding, f"$.data[{i}].embedding") for i in range(count)]


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
            raise invalid(f"the text is not base64 - at `{path}`") from None
        if len(data) % 4:
            raise invalid(f"{len(data)} bytes are not a vector of float32 - at `{path}`")
        vector = numpy.frombuffer(data, "<f4").astype(numpy.float32, copy=False)
    else:
        with numpy.errstate(over="ignore"):
            vector = numpy.array(value, numpy.float32)
    if not numpy.isfinite(vector).all():
        raise invalid(f"the vector has numbers that are not finite - at `{path}`")
    return vector
