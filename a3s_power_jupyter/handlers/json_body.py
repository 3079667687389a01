"""Decode the JSON of request bodies.

msgspec holds the GIL while it decodes, so the server does nothing else meanwhile. Large bodies are
first searched for what takes long to decode.
"""

from __future__ import annotations

import codecs
import gc
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..contract.errors import InvalidJSON, InvalidParameter, UnsupportedMediaType

#: Bytes of a body above which it is searched before it is decoded, and both in a thread.
LARGE_BODY = 64 * 1024

#: Most of each in a body, outside of texts. So many take 20 to 100 ms to decode.
LIMITS = {
    "values": 2**19,
    "arrays and objects": 2**17,
    "fields": 2**18,
    "decimal points": 2**17,
    # Some powers of ten take 7 microseconds, or 23 with many digits.
    "numbers with an exponent": 2**12,
    "numbers of more than 100 characters": 0,
}

_STRING = re.compile(rb'"[^"]*"')
_EXPONENT = re.compile(rb"[0-9.][eE]")
_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{101,}")

#: Bytes that are searched at a time. Each step of the search holds the GIL, too.
_PIECE = 128 * 1024

_LOCK = threading.Lock()


def decode_body(body: bytes | bytearray, content_type: str) -> dict[str, Any]:
    """Decode the JSON object of a body; an empty body is an empty object.

    A byte order mark before it is skipped (RFC 8259, section 8.1).

    Raises
    ------
    UnsupportedMediaType
        If `content_type`, the header, is not ``application/json``.
    InvalidJSON, InvalidParameter
        As `decode_object`.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    if not body or body.isspace():
        return {}
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
    return decode_object(body)


def decode_object(body: bytes | bytearray) -> dict[str, Any]:
    """Decode a JSON object.

    Raises
    ------
    InvalidJSON
        If `body` is not a JSON object. The message has the byte offset of a syntax error.
    InvalidParameter
        If it is large and exceeds one of `LIMITS`.
    """
    try:
        if len(body) > LARGE_BODY:
            _check_structure(body)
            with _collector_paused():
                value = msgspec.json.decode(body)
        else:
            value = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise InvalidJSON("The body is not valid UTF-8. Encode it as UTF-8.") from None
    except RecursionError:
        raise InvalidJSON("The body is nested too deeply. Send a flatter object.") from None
    except msgspec.DecodeError as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON(f"The body must be a JSON object, not {_json_kind(value)}.")
    return value


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would look at all new objects again and again."""
    with _LOCK:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()


def _check_structure(body: bytes | bytearray) -> None:
    found: Counter[str] = Counter()
    for piece in _outside_strings(body):
        found.update(_structure(piece))
        for what, limit in LIMITS.items():
            if found[what] > limit:
                most = f"more than {limit:,} {what}" if limit else what
                raise InvalidParameter(f"The body has {most}. Send several smaller requests.")


def _structure(piece: bytes) -> dict[str, int]:
    """Count what `LIMITS` limits."""
    brackets = piece.count(b"[") + piece.count(b"{")
    return {
        "values": brackets + piece.count(b","),
        "arrays and objects": brackets,
        "fields": piece.count(b":"),
        "decimal points": piece.count(b"."),
        "numbers with an exponent": len(_EXPONENT.findall(piece)),
        "numbers of more than 100 characters": len(_LONG_NUMBER.findall(piece)),
    }


def _outside_strings(body: bytes | bytearray, size: int = _PIECE) -> Iterator[bytes]:
    """Yield a JSON text in pieces, without its strings.

    Invalid JSON may yield anything after the first error, where the decoder stops.
    """
    inside, rest = False, b""
    for start in range(0, len(body), size):
        piece = rest + body[start : start + size]
        rest = b""
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # half of an escape sequence
            piece, rest = piece[:-1], b"\\"
        piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        piece = _STRING.sub(b"", b'"' + piece if inside else piece)
        outside, quote, _begun = piece.partition(b'"')
        inside = bool(quote)
        yield outside


def _json_kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
