"""Read JSON replies, which an upstream may have sent in any form."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..contract.errors import UpstreamError
from ..contract.field_errors import explain
from ..contract.types import Reading, Timings

T = TypeVar("T")

#: Larger numbers are mistakes, and lose digits in other languages.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds = Annotated[float, Meta(ge=0)]


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


def invalid(reason: str) -> UpstreamError:
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
    except msgspec.ValidationError:
        return converted(_json(body), type_)  # which says what is wrong
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("it is not valid JSON") from None


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("it is not valid JSON") from None


def converted(value: Any, type_: type[T]) -> T:
    """Convert decoded JSON. Raises as `decoded` does."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        reason = explain(value, type_, error).message.rstrip(".")
        raise invalid(reason) from None
    except RecursionError:
        raise invalid("it is nested too deeply") from None


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
