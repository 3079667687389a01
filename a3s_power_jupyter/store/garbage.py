"""Find and remove files in the store that are not needed by any model, pull or conversion."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import UNSET

from ..contract.types import Manifest, Removable
from .blobs import PARTIAL_PREFIX, BlobStore
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .files import TEMPORARY_PREFIX, file_size
from .manifest import MANIFESTS, ManifestDirectory
from .prompts import size_of_prompts, unfinished_prompts, unused_prompts

PULLS = Path("pulls")

#: Seconds within which the state of a pull or a prompt is written, also to a slow disk.
SMALL_FILE_TIME = 3600.0


def blobs_of(manifests: Iterable[Manifest], conversions: Iterable[Conversion] = ()) -> set[str]:
    """Return the hashes of the blobs that `manifests` and `conversions` refer to."""
    files = (file for manifest in manifests for file in manifest.files)
    hashes = {file.sha256 for file in files if file.path is UNSET}
    return hashes | {conversion.sha256 for conversion in conversions}


def find_garbage(
    home: Path,
    blobs: BlobStore,
    manifests: ManifestDirectory,
    conversions: ConversionDirectory,
    *,
    keep_prompts: bool,
) -> list[tuple[Removable, Path]]:
    """Return the removable files and folders of prompts, each with its path.

    Without `keep_prompts`, the prompts of all models are garbage.

    The caller must hold the store's lock. Manifests and conversions are written under that lock, so
    a temporary file among them was left by a crash. States of pulls are not.
    """
    snapshot = manifests.read()
    orphans: list[Path] = []
    converted: list[Path] = []
    prompts: list[Path] = []
    if not snapshot.unreadable:  # an unreadable manifest may refer to any blob
        used, unused = conversions.partition(snapshot.manifests.values())
        results = {blobs.path(record.sha256) for record in unused.values() if record is not None}
        unnamed = blobs.orphans(blobs_of(snapshot.manifests.values(), used.values()))
        orphans = [path for path in unnamed if path not in results]
        converted = [*unused, *(path for path in unnamed if path in results)]
        prompts = unused_prompts(home, snapshot.manifests.values() if keep_prompts else ())
    partials = [path for path in blobs.partials() if not _has_state(home, path)]
    locked = (home / MANIFESTS, home / CONVERSIONS)
    temporaries = [
        *blobs.abandoned(),
        *(path for folder in locked for path in folder.glob(f"{TEMPORARY_PREFIX}*")),
        *filter(_is_old, (home / PULLS).glob(f"{TEMPORARY_PREFIX}*")),
        *filter(_is_old, unfinished_prompts(home)),
    ]
    return [
        *_removable("orphan_blob", orphans),
        *_removable("conversion", converted),
        *_removable("partial", partials),
        *_removable("temporary", temporaries),
        *((Removable("prompts", path.name, size_of_prompts(path)), path) for path in prompts),
    ]


def remove_unused(
    sha256s: set[str],
    blobs: BlobStore,
    manifests: ManifestDirectory,
    conversions: ConversionDirectory,
) -> int:
    """Remove unused conversions and the unused blobs of `sha256s`, and return the bytes freed.

    The caller must hold the store's lock.
    """
    snapshot = manifests.read()
    if snapshot.unreadable:
        return 0  # an unreadable manifest may refer to any blob
    used, unused = conversions.partition(snapshot.manifests.values())
    for path, conversion in unused.items():
        path.unlink()
        if conversion is not None and conversion.sha256:
            sha256s = sha256s | {conversion.sha256}
    return blobs.remove(sha256s - blobs_of(snapshot.manifests.values(), used.values()))


def _is_old(temporary: Path) -> bool:
    """Return whether nobody writes a temporary file any more."""
    try:
        return time.time() - temporary.lstat().st_mtime > SMALL_FILE_TIME
    except FileNotFoundError:
        return False


def _has_state(home: Path, partial: Path) -> bool:
    """Return whether a download has a state file, which is written before its first byte."""
    try:
        (home / PULLS / f"{partial.name.removeprefix(PARTIAL_PREFIX)}.json").stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # such as the pulls of another user
        return True
    return True


def _removable(
    kind: Literal["orphan_blob", "conversion", "partial", "temporary"], paths: Iterable[Path]
) -> list[tuple[Removable, Path]]:
    # Pulls remove their files without the store's lock, so a file may be gone already.
    sizes = ((path, file_size(path)) for path in paths)
    return [(Removable(kind, path.name, size), path) for path, size in sizes if size is not None]
