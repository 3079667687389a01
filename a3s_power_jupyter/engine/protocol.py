"""The messages between the server and a worker, and their framing.

A frame is a 4-byte little-endian length and one msgpack struct. Every message about a request
carries its id; a request that was submitted ends with exactly one `Ended`, whether it finished,
failed or was cancelled, so that the server knows when its slot is free.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from ..contract.parameters import LoadParameters
from ..contract.types import Format, Item, Request

#: A frame larger than this is a broken pipe, not a message.
MAX_FRAME_BYTES = 512 * 1024 * 1024

_LENGTH = struct.Struct("<I")


# ---------------------------------------------------------------- server to worker


class Load(msgspec.Struct, frozen=True, tag="load"):
    """The first message: which model to load, and how.

    Attributes
    ----------
    paths : files of the model, the first shard first.
    names : of a directory's files, each the path within the directory; parallel to `paths`, whose
        own names may be those of blobs.
    mmproj : the image part of a GGUF model that has one.
    notes : what the user should know of how it is loaded; given back with `Loaded`.
    parameters : what is UNSET is the engine's choice.
    gpu_layers : the server's default for `num_gpu`; None is "as many as fit".
    layers : how many the model has; 0 if unknown.
    kv_bytes : what the KV cache will take, by the manifest; 0 if unknown.
    """

    format: Format
    paths: tuple[str, ...]
    parameters: LoadParameters
    names: tuple[str, ...] = ()
    mmproj: str | None = None
    notes: tuple[str, ...] = ()
    gpu_layers: int | None = None
    layers: int = 0
    kv_bytes: int = 0

    @property
    def files(self) -> dict[str, Path]:
        """The files of a model directory by name."""
        return dict(zip(self.names, map(Path, self.paths), strict=True))


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    id: int
    request: Request


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a request before its next step; unknown ids are ignored (it may just have ended)."""

    id: int


Command = Load | Submit | Cancel


# ---------------------------------------------------------------- worker to server


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """Progress of the load, 0 to 1."""

    progress: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model can be asked.

    Attributes
    ----------
    slots : requests the engine takes at once.
    num_ctx : tokens of context of one request.
    device : "cpu", or the GPUs that hold layers, as the library names them.
    device_bytes : memory of GPUs that the load took; 0 on the CPU.
    engine : which engine it is; the worker sets it.
    notes : what the user should know: those of `Load`, and the engine's own.
    """

    slots: int
    num_ctx: int
    device: str
    device_bytes: int = 0
    engine: str = ""
    notes: tuple[str, ...] = ()


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The load ended with this error (`PowerError.to_wire`); the worker exits."""

    error: dict[str, Any]


class Output(msgspec.Struct, frozen=True, tag="output"):
    id: int
    item: Item


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The request's slot is free. `error` is set when it failed."""

    id: int
    error: dict[str, Any] | None = None


Reply = Loading | Loaded | LoadFailed | Output | Ended


# ---------------------------------------------------------------- framing


def encode(message: Command | Reply) -> bytes:
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_commands(stream: IO[bytes]) -> Iterator[Command]:
    """Commands until the end of the stream."""
    decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
    for body in _read_frames(stream):
        yield decoder.decode(body)


def read_replies(stream: IO[bytes]) -> Iterator[Reply]:
    """Replies until the end of the stream."""
    decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
    for body in _read_frames(stream):
        yield decoder.decode(body)


def _read_frames(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        head = stream.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        (size,) = _LENGTH.unpack(head)
        if size > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {size} bytes on a worker's pipe")
        body = stream.read(size)
        if len(body) < size:
            return
        yield body
