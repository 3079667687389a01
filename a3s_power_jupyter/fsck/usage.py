"""Find out which models use a file, so that it is checked once and all of them are named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from ..contract.types import Manifest, StoredFile
from ..store.model_store import ModelStore
from ..store.stored_files import restoring
from ..store.wording import MagicWording

#: How findings say to register or pull a model again: fsck is used in a terminal.
WORDING = MagicWording()


@dataclass(frozen=True)
class UsedFile:
    """A file and the models that expect the same content in it.

    Attributes
    ----------
    file : StoredFile
        The entry in the manifest of the first model.
    manifests : tuple of Manifest
        The models, in order of their names.
    """

    path: Path
    file: StoredFile
    manifests: tuple[Manifest, ...]

    @property
    def is_blob(self) -> bool:
        return self.file.path is UNSET

    @property
    def names(self) -> str:
        return ", ".join(manifest.name for manifest in self.manifests)

    @property
    def ways(self) -> list[str]:
        """How to restore a blob, as clauses. Each restores it for all models."""
        return [*dict.fromkeys(restoring(manifest, WORDING) for manifest in self.manifests)]


def used_files(store: ModelStore, manifests: Iterable[Manifest]) -> list[UsedFile]:
    """Return the files of models, each one once."""
    found: dict[tuple[object, ...], UsedFile] = {}
    for manifest in manifests:
        for file in manifest.files:
            path = store.blobs.path(file.sha256) if file.path is UNSET else Path(file.path)
            key = (path, file.sha256, file.size, file.mtime_ns)
            first = found.get(key, UsedFile(path, file, ()))
            users = (*first.manifests, *(() if manifest in first.manifests else (manifest,)))
            found[key] = UsedFile(path, first.file, users)
    return [*found.values()]
