"""The messages between the server and the process of one conversion: lines of JSON.

The server writes one `Convert`; closing stdin ends the process at once. It answers with any number
of `Progress`, and as the last one of `Done`, `Refused` and `Failed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..contract.types import Manifest


class Convert(msgspec.Struct, frozen=True, tag="convert"):
    """Make the GGUF of a model: `paths` are its files, in the order of the manifest."""

    home: str
    manifest: Manifest
    paths: tuple[str, ...]
    kind: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """0 to 1; comes again, unchanged, while another process makes the same."""

    value: float


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The conversion is in the store."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """There will be none, and the store has that on record."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """`error` is `PowerError.to_wire`; the next load tries again."""

    error: dict[str, Any]


Event = Progress | Done | Refused | Failed


def encode(message: Convert | Event) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def read_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Events until the end of the stream; a last line that was cut is none."""
    decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
    return (decoder.decode(line) for line in lines if line.endswith(b"\n"))
