"""Frames on the pipes between the notebook server and its child processes.

A frame is a 4-byte little-endian length followed by one msgpack struct.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, TypeVar

import msgspec

Message = TypeVar("Message")

#: Largest body of a frame. A greater length means that the stream does not consist of frames.
MAX_FRAME_BYTES = 512 * 1024 * 1024

_LENGTH = struct.Struct("<I")


def encode(message: msgspec.Struct) -> bytes:
    """Return the frame of a message.

    Raises
    ------
    ValueError
        If the body exceeds `MAX_FRAME_BYTES`.
    """
    body = msgspec.msgpack.encode(message)
    _check_size(len(body))
    return _LENGTH.pack(len(body)) + body


def read_messages(
    stream: IO[bytes], decoder: msgspec.msgpack.Decoder[Message]
) -> Iterator[Message]:
    """Yield the messages of a stream up to its end; a truncated last frame is dropped.

    Raises
    ------
    ValueError
        If a length exceeds `MAX_FRAME_BYTES`, or if a body cannot be decoded
        (`msgspec.DecodeError`).
    """
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(head)
        _check_size(size)
        body = stream.read(size)
        if len(body) < size:
            return
        yield decoder.decode(body)


def _check_size(size: int) -> None:
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"A frame of {size} bytes exceeds the limit of {MAX_FRAME_BYTES}.")
