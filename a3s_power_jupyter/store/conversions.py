"""Store records of conversions to GGUF as ``models/conversions/<key>.json``.

A conversion belongs to its source files, not to a model name. Models with the same files share it,
and it is removed with the last of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ..contract.errors import PowerError
from ..contract.regular_file import read_regular
from ..contract.types import Manifest
from .files import file_size, is_sha256, write_atomically

CONVERSIONS = Path("models/conversions")

#: Increase this when the converter's output changes. Conversions of older versions are garbage.
CONVERTER_VERSION = 3

_MAX_SIZE = 16 << 20  # bytes; a record of 1,000 files has about 100,000


class Conversion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of converting a model.

    Attributes
    ----------
    source : tuple of str
        ``name sha256`` of each file, in the order of the manifest.
    kind : str
        ISQ kind.
    version : int
        `CONVERTER_VERSION` at the time of the conversion.
    sha256 : str
        Digest of the blob; empty if the model cannot be converted.
    size : int
        Size of the blob in bytes.
    refused : str or None
        Reason why the model cannot be converted; None if it can.
    """

    source: tuple[str, ...]
    kind: str
    version: int
    sha256: str = ""
    size: int = 0
    refused: str | None = None

    @property
    def is_newer(self) -> bool:
        """Whether a newer version of this package wrote the record."""
        return self.version > CONVERTER_VERSION

    @property
    def key(self) -> str:
        parts = msgspec.json.encode([self.source, self.kind, self.version])
        return hashlib.sha256(parts).hexdigest()


def is_record(path: Path) -> bool:
    """Return whether a path is that of a record, and not something else that a user put there."""
    return path.suffix == ".json" and is_sha256(path.stem) and file_size(path) is not None


def conversion_of(manifest: Manifest, kind: str) -> Conversion:
    """Return the record of a conversion, without its result."""
    return Conversion(source_of(manifest), kind, CONVERTER_VERSION)


def source_of(manifest: Manifest) -> tuple[str, ...]:
    return tuple(f"{file.name} {file.sha256}" for file in manifest.files)


class ConversionDirectory:
    """The directory of conversion records."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, key: str) -> Path:
        return self.directory / f"{key}.json"

    def get(self, key: str) -> Conversion | None:
        """Return a record, or None if it does not exist or cannot be read."""
        with suppress(OSError, PowerError):
            return decode(read_regular(self.path(key), _MAX_SIZE))
        return None

    def write(self, conversion: Conversion) -> None:
        """Write a record. The caller must hold the store's lock."""
        write_atomically(self.path(conversion.key), msgspec.json.encode(conversion))

    def partition(
        self, manifests: Iterable[Manifest]
    ) -> tuple[dict[Path, Conversion], dict[Path, Conversion | None]]:
        """Return the records that models use, and the records that are unused or unreadable.

        Records of newer versions count as used.
        """
        sources = {source_of(manifest) for manifest in manifests}
        used: dict[Path, Conversion] = {}
        unused: dict[Path, Conversion | None] = {}
        for path in sorted(self.directory.glob("*.json")):
            if not is_record(path):
                continue
            record = self.get(path.stem)
            if record is not None and (
                record.is_newer
                or (record.source in sources and record.version == CONVERTER_VERSION)
            ):
                used[path] = record
            else:
                unused[path] = record
        return used, unused


class _Newer(msgspec.Struct):
    """The fields of a record of a newer version that are needed to leave it alone."""

    version: int
    sha256: str = ""


def decode(text: bytes) -> Conversion | None:
    """Return the record in a JSON file, or None if it is damaged."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(text, type=Conversion)
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        newer = msgspec.json.decode(text, type=_Newer)
        if newer.version > CONVERTER_VERSION:
            return Conversion((), "", newer.version, newer.sha256)
    return None
