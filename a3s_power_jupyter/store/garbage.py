"""What is in the store and nobody needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import UNSET

from ..contract.types import Manifest, Removable
from .blobs import PARTIAL_PREFIX, BlobStore
from .conversions import ConversionDirectory
from .files import TEMPORARY_PREFIX
from .manifest import MANIFESTS, ManifestDirectory

PULLS = Path("pulls")


def blobs_of(manifests: Iterable[Manifest]) -> set[str]:
    """The hashes of the blobs that `manifests` name."""
    return {file.sha256 for manifest in manifests for file in manifest.files if file.path is UNSET}


def find_garbage(
    home: Path,
    blobs: BlobStore,
    manifests: ManifestDirectory,
    conversions: ConversionDirectory,
) -> list[tuple[Removable, Path]]:
    """What can be removed, and where it is. With the lock of the store held, under which all
    manifests are written: a temporary among them was left by a crash."""
    snapshot = manifests.read()
    orphans: list[Path] = []
    dead: list[Path] = []
    if not snapshot.unreadable:  # what cannot be read may name any blob
        living, gone = conversions.partition(snapshot.manifests.values())
        named = blobs_of(snapshot.manifests.values()) | {one.sha256 for one in living.values()}
        made = {blobs.path(one.sha256) for one in gone.values() if one is not None}
        unnamed = blobs.orphans(named)
        orphans = [path for path in unnamed if path not in made]
        dead = [*gone, *(path for path in unnamed if path in made)]
    partials = [path for path in blobs.partials() if not _state_of(home, path).exists()]
    temporaries = [*blobs.abandoned(), *(home / MANIFESTS).glob(f"{TEMPORARY_PREFIX}*")]
    return [
        *_removable("orphan_blob", orphans),
        *_removable("conversion", dead),
        *_removable("partial", partials),
        *_removable("temporary", temporaries),
    ]


def _state_of(home: Path, partial: Path) -> Path:
    """The file that describes a download, written before its first byte."""
    return home / PULLS / f"{partial.name.removeprefix(PARTIAL_PREFIX)}.json"


def _removable(
    kind: Literal["orphan_blob", "conversion", "partial", "temporary"], paths: Iterable[Path]
) -> list[tuple[Removable, Path]]:
    return [(Removable(kind, path.name, path.stat().st_size), path) for path in paths]
