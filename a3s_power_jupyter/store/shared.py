"""Use the models of other homes, which are read and never written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from ..contract.errors import PowerError
from ..contract.text import unstopped
from ..contract.types import Manifest, ManifestProblem, StoredFile
from .blobs import BLOB_PREFIX, BLOBS
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .files import file_size
from .manifest import MANIFESTS, ManifestDirectory, Snapshot


class SharedModels(NamedTuple):
    """The models of all shared homes, and why some may be missing."""

    manifests: dict[str, Manifest]
    problems: tuple[ManifestProblem, ...]


class SharedHome:
    """One home of another user."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._directory = ManifestDirectory(home)
        self._conversions = ConversionDirectory(home / CONVERSIONS)
        self._snapshot = Snapshot()
        self._manifests: dict[str, Manifest] = {}

    def read(self) -> SharedModels:
        """Return the models with the paths of their files. Never raises."""
        if not os.path.isdir(self.home):  # noqa: PTH112 - Path.is_dir raises for a dead mount
            reason = "the shared home does not exist, or this user may not read it"
            return SharedModels({}, (ManifestProblem(str(self.home), reason),))
        try:
            snapshot = self._directory.read()
        except PowerError as error:
            reason = unstopped(error.message)
            if not _may_list(self.home / MANIFESTS):
                reason = "this user may not read the shared home. Ask its administrator"
            return SharedModels({}, (ManifestProblem(str(self.home), reason),))
        if snapshot is not self._snapshot:
            self._manifests = {n: self._in_place(m) for n, m in snapshot.manifests.items()}
            self._snapshot = snapshot
        problems = (
            ManifestProblem(str(self.home / MANIFESTS / bad.file), bad.reason)
            for bad in snapshot.unreadable
        )
        return SharedModels(self._manifests, tuple(problems))

    def _in_place(self, manifest: Manifest) -> Manifest:
        """Return a manifest as if its blobs were files that were registered in place."""
        files = tuple(map(self._with_path, manifest.files))
        source = msgspec.structs.replace(manifest.source, shared_home=str(self.home))
        return msgspec.structs.replace(manifest, files=files, source=source)

    def _with_path(self, file: StoredFile) -> StoredFile:
        if file.path is not UNSET:
            return file
        path = self.home / BLOBS / f"{BLOB_PREFIX}{file.sha256}"
        try:
            mtime_ns = path.stat().st_mtime_ns
        except OSError:
            mtime_ns = 0  # `stored_files.paths_of` reports the error
        return msgspec.structs.replace(file, path=str(path), mtime_ns=mtime_ns)

    def converted(self, conversion: Conversion) -> tuple[Conversion, Path] | None:
        """Return the record and the result of a conversion that this home has."""
        found = self._conversions.get(conversion.key)
        if found is None or found.refused is not None:
            return None
        path = self.home / BLOBS / f"{BLOB_PREFIX}{found.sha256}"
        try:
            return (found, path) if file_size(path) == found.size else None
        except OSError:  # the disk of the home is gone
            return None


def _may_list(directory: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(directory, os.R_OK | os.X_OK, effective_ids=effective)


class SharedHomes:
    """Several shared homes. A model of an earlier home hides one of the same name."""

    def __init__(self, homes: Sequence[Path]) -> None:
        self._homes = [SharedHome(home) for home in homes]

    def read(self) -> SharedModels:
        """Return the models of all homes. Never raises."""
        manifests: dict[str, Manifest] = {}
        problems: list[ManifestProblem] = []
        for home in self._homes:
            found = home.read()
            manifests = found.manifests | manifests
            problems += found.problems
        return SharedModels(manifests, tuple(problems))

    def converted(self, conversion: Conversion) -> tuple[Conversion, Path] | None:
        """Return the first result of a conversion; None if no home has it."""
        found = (home.converted(conversion) for home in self._homes)
        return next(filter(None, found), None)
