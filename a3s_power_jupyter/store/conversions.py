"""Conversions of models that are kept: ``models/conversions/<key>.json``, each with a blob.

A conversion belongs to the files that it was made of, not to a name: two models of the same files
share it, and it goes with the last of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ..contract.types import Manifest
from .files import write_atomically

CONVERSIONS = Path("models/conversions")

#: Raised when the same source would give another file: older conversions are garbage then.
CONVERTER_VERSION = 1


class Conversion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a model's files.

    Attributes
    ----------
    source : ``name sha256`` of each file, in the order of the manifest.
    kind : the ISQ kind.
    sha256, size : of the blob; empty and 0 where it was refused.
    refused : why there is none.
    """

    source: tuple[str, ...]
    kind: str
    version: int
    sha256: str = ""
    size: int = 0
    refused: str | None = None

    @property
    def key(self) -> str:
        parts = msgspec.json.encode([self.source, self.kind, self.version])
        return hashlib.sha256(parts).hexdigest()


def conversion_of(manifest: Manifest, kind: str) -> Conversion:
    """The conversion of a model to a kind, before anything is known of it but its key."""
    return Conversion(source_of(manifest), kind, CONVERTER_VERSION)


def source_of(manifest: Manifest) -> tuple[str, ...]:
    return tuple(f"{file.name} {file.sha256}" for file in manifest.files)


class ConversionDirectory:
    """The records of conversions, one file each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, key: str) -> Path:
        return self.directory / f"{key}.json"

    def get(self, key: str) -> Conversion | None:
        """The record; None where there is none, or one that cannot be read."""
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self.path(key).read_bytes(), type=Conversion)
        return None

    def write(self, conversion: Conversion) -> None:
        """With the store's lock held."""
        self.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path(conversion.key), msgspec.json.encode(conversion))

    def partition(
        self, manifests: Iterable[Manifest]
    ) -> tuple[dict[Path, Conversion], dict[Path, Conversion | None]]:
        """The records that models live on, and those that none does or that cannot be read."""
        sources = {source_of(manifest) for manifest in manifests}
        living: dict[Path, Conversion] = {}
        dead: dict[Path, Conversion | None] = {}
        for path in sorted(self.directory.glob("*.json")):
            record = self.get(path.stem)
            if (
                record is not None
                and record.source in sources
                and record.version == CONVERTER_VERSION
            ):
                living[path] = record
            else:
                dead[path] = record
        return living, dead
