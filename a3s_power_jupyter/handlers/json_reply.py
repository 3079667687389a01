"""Encode replies as JSON: large ones in pieces, and events on a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

#: Characters at which `str.splitlines` and with it httpx's `iter_lines` end a line, in JSON and
#: escaped. JSON has the others escaped already.
_LINE_ENDS = {char.encode(): rb"\u%04x" % ord(char) for char in "\x85\u2028\u2029"}


def encode_pieces(value: Any) -> Iterator[bytes]:
    """Encode `value` as JSON, piece by piece.

    Iterators become arrays. Their items are made when they are encoded, one at a time, so that a
    large reply is neither in memory nor encoded as a whole.
    """
    if isinstance(value, dict):
        yield b"{"
        for i, (key, item) in enumerate(value.items()):
            yield (b"," if i else b"") + msgspec.json.encode(key) + b":"
            yield from encode_pieces(item)
        yield b"}"
    elif isinstance(value, Iterator):
        yield b"["
        for i, item in enumerate(value):
            if i:
                yield b","
            yield from encode_pieces(item)
        yield b"]"
    else:
        yield msgspec.json.encode(value)


def raw_json(value: Any) -> msgspec.Raw:
    """Encode a part of a reply now, so that the garbage collector does not look at it."""
    return msgspec.Raw(msgspec.json.encode(value))


def encode_line(value: Any) -> bytes:
    """Encode `value` as JSON that all clients read as one line."""
    encoded = msgspec.json.encode(value)
    for char, escaped in _LINE_ENDS.items():
        encoded = encoded.replace(char, escaped)
    return encoded
