"""Decode the JSON of request bodies."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..contract.errors import InvalidJSON, InvalidParameter

#: Most ``[`` and ``{`` in a body, including those in texts. An empty array takes 3 bytes of a body
#: and 64 of memory.
MAX_BRACKETS = 2**20

_LOCK = threading.Lock()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would look at all new objects again and again.

    The lock costs nothing, because only one thread can decode at a time anyway.
    """
    with _LOCK:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()


def decode_object(body: bytes | bytearray) -> dict[str, Any]:
    """Decode a JSON object.

    Raises
    ------
    InvalidJSON
        If `body` is not a JSON object. The message has the byte offset of a syntax error.
    InvalidParameter
        If it has more than `MAX_BRACKETS`.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise InvalidParameter(f"The body has more than {MAX_BRACKETS:,} opening brackets.")
    try:
        with _collector_paused():
            value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON(f"The body must be a JSON object, not {_json_kind(value)}.")
    return value


def _json_kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
