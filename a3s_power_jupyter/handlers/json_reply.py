"""Encode large replies as JSON in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec


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
