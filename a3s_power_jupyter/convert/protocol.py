"""Messages between the server and a conversion process.

The server sends one `Convert`. The process replies with any number of `Progress`, then `Done`,
`Refused` or `Failed`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Decoder

from ..contract.types import Manifest


class Convert(msgspec.Struct, frozen=True, tag="convert"):
    """Convert a model to GGUF.

    Attributes
    ----------
    home : str
        Folder of the store.
    manifest : Manifest
        The model.
    paths : tuple of str
        Its files, in the order of the manifest.
    kind : str
        GGML type of the weights, as a value of `isq`.
    """

    home: str
    manifest: Manifest
    paths: tuple[str, ...]
    kind: str


REQUEST_DECODER: Decoder[Convert] = Decoder(Convert)


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Progress from 0 to 1; 0 is repeated while another process converts the same model."""

    value: float


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The conversion is in the store."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The model cannot be converted; the store has recorded the reason."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The conversion failed with this error (`PowerError.to_wire`); the next load tries again."""

    error: dict[str, Any]


Event = Progress | Done | Refused | Failed
EVENT_DECODER: Decoder[Event] = Decoder(Event)
