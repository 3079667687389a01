"""Store models by name, with their files and the blobs that they share.

Layout of the home of the store::

    lock                         held while manifests or blobs change
    models/manifests/*.json      one file per model
    models/blobs/sha256-<hex>    files that were copied or downloaded
    models/blobs/partial-<hex>   a download in progress, described by pulls/<hex>.json
    models/conversions/*.json    one file per conversion, which refers to a blob

All methods are synchronous and thread-safe, and see changes by other processes on the same home.
"""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock
from msgspec import UNSET

from ..contract.errors import (
    FileChanged,
    FileNotFound,
    ManifestUnreadable,
    ModelAlreadyExists,
    ModelNotFound,
)
from ..contract.parameters import DefaultParameters
from ..contract.text import quoted
from ..contract.types import Manifest, ManifestProblem, RegisterRequest, Removable, StoredFile
from .blobs import BLOBS, BlobStore, Incoming
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .files import FILE_MODE, file_size, make_directory
from .formats.inspection import inspect
from .garbage import blobs_of, find_garbage
from .manifest import MANIFESTS, ManifestDirectory, Unreadable, content
from .names import check_name
from .os_errors import writing
from .stored_files import paths_of, registered_in_place


class ModelStore:
    """The models of one home directory, which the first write creates."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._manifests = ManifestDirectory(home)
        self._lock = FileLock(home / "lock", mode=FILE_MODE)
        self.blobs = BlobStore(home / BLOBS, self._lock)
        self.conversions = ConversionDirectory(home / CONVERSIONS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock, which is shared by all processes and reentrant in a thread.

        Raises
        ------
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        with writing(self._home):
            make_directory(self._home)
            with self._lock:
                yield

    def register(
        self, request: RegisterRequest, parameters: DefaultParameters
    ) -> tuple[Manifest, bool]:
        """Register the model at a path, or on an upstream server, under a name.

        Returns
        -------
        manifest : Manifest
            The new or existing manifest.
        changed : bool
            False if the name already had the same content.

        Raises
        ------
        ModelAlreadyExists
            If the name has other content, and `overwrite` is not set.
        InvalidModelName
            If the name is not valid.
        ManifestUnreadable
            If the existing manifest of the name cannot be read, and `overwrite` is not set.
        InsufficientDisk
            If the copy does not fit on the disk.
        PowerError
            If the store cannot be written, or if `inspection.inspect` refuses the model.
        """
        check_name(request.name)
        description = inspect(request, parameters)
        manifest = description.manifest(request, parameters)
        if request.copy:
            with writing(self._home), self.blobs.import_files(description.files) as incoming:
                files = tuple(_blob_file(file) for file in incoming)
                manifest = msgspec.structs.replace(manifest, files=files)
                return self._commit(manifest, overwrite=request.overwrite, incoming=incoming)
        known = self.list()
        files = tuple(registered_in_place(file, known) for file in description.files)
        manifest = msgspec.structs.replace(manifest, files=files)
        return self._commit(manifest, overwrite=request.overwrite)

    def list(self) -> builtins.list[Manifest]:
        """Return all models, sorted by name. Unchanged manifests are not read again."""
        return [*self._manifests.read().manifests.values()]

    def problems(self) -> builtins.list[ManifestProblem]:
        """Return the manifests that cannot be read, sorted by file."""
        unreadable = self._manifests.read().unreadable
        return [ManifestProblem(bad.file, bad.reason) for bad in unreadable]

    def get(self, name: str) -> Manifest:
        """Return the model called `name`.

        Raises
        ------
        InvalidModelName, ModelNotFound, ManifestUnreadable
            If the name is not valid, no model has it, or its manifest cannot be read.
        """
        found = self._find(name)
        if isinstance(found, Unreadable):
            raise self._unreadable(name, found)
        return found

    def delete(self, name: str) -> int:
        """Delete a model and the blobs that no other model uses, and return the bytes freed.

        Files registered in place are kept. An unreadable manifest is deleted as well; garbage
        collection removes its blobs.

        Raises
        ------
        InvalidModelName, ModelNotFound
            If the name is not valid, or no model has it.
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        self._find(name)  # before taking the lock, so that a wrong name does not create the home
        with self.locked():
            found = self._find(name)
            if isinstance(found, Unreadable):
                self._manifests.remove(found.file)
                return 0
            self._manifests.remove(self._manifests.read().filenames[name])
            return self._remove_unused(blobs_of([found]))

    def save(self, manifest: Manifest) -> None:
        """Write the manifest of a model, replacing one of the same name.

        Blobs that are no longer used are removed. A caller that creates blobs must hold the lock
        until it has saved the manifest, so that garbage collection does not remove them.

        Raises
        ------
        InvalidModelName
            If the name is not valid.
        FileNotFound
            If a blob of the manifest does not exist.
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        check_name(manifest.name)
        with self.locked():
            old = self._manifests.read().manifests.get(manifest.name)
            for sha256 in sorted(blobs_of([manifest])):
                if file_size(self.blobs.path(sha256)) is None:
                    raise FileNotFound(f"The store has no blob {sha256}. Pull the model again.")
            self._manifests.write(manifest)
            if old is not None:
                self._remove_unused(blobs_of([old]))

    def find_conversion(self, conversion: Conversion) -> Conversion | None:
        """Return the record of a conversion, or None if there is none or its blob is missing."""
        found = self.conversions.get(conversion.key)
        if found is None or found.refused is not None:
            return found
        return found if file_size(self.blobs.path(found.sha256)) == found.size else None

    def save_conversion(self, conversion: Conversion, result: Path | None) -> None:
        """Write the record of a conversion, and turn its `result`, if any, into a blob.

        Raises
        ------
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        with self.locked():
            if result is not None:
                self.blobs.adopt_file(result, conversion.sha256)
            self.conversions.write(conversion)

    def resolve(self, manifest: Manifest) -> builtins.list[Path]:
        """Return the paths of a model's files; see `stored_files.paths_of`."""
        return paths_of(manifest, self.blobs)

    def collect_garbage(self, dry_run: bool) -> builtins.list[Removable]:
        """Remove the files that no model or pull needs; with `dry_run`, only return them.

        Blobs are kept while any manifest is unreadable, because it may refer to them.

        Raises
        ------
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        if not self._home.exists():
            return []
        with self.locked():
            garbage = find_garbage(self._home, self.blobs, self._manifests, self.conversions)
            if not dry_run:
                for _, path in garbage:
                    path.unlink(missing_ok=True)
            return [removable for removable, _ in garbage]

    def _find(self, name: str) -> Manifest | Unreadable:
        check_name(name)
        snapshot = self._manifests.read()
        found = snapshot.manifests.get(name) or snapshot.unreadable_for(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, snapshot.manifests, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Register or pull it."
        raise ModelNotFound(f"There is no model {quoted(name)}. {hint}", param="model")

    def _unreadable(self, name: str, bad: Unreadable) -> ManifestUnreadable:
        return ManifestUnreadable(
            f"The manifest of {name!r} cannot be read: {bad.reason}. Repair "
            f"{self._home / MANIFESTS / bad.file}, or register the model again with overwrite."
        )

    def _commit(
        self, manifest: Manifest, *, overwrite: bool, incoming: Sequence[Incoming] = ()
    ) -> tuple[Manifest, bool]:
        """Compare a new manifest with the existing one and write it, under the store's lock."""
        with self.locked():
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(manifest.name)
            if bad is not None and not overwrite:
                raise self._unreadable(manifest.name, bad)
            old = snapshot.manifests.get(manifest.name)
            if old is not None and content(old) == content(manifest):
                if self._is_usable(old, manifest):
                    return old, False
                manifest = msgspec.structs.replace(manifest, created=old.created)
            elif old is not None and not overwrite:
                raise ModelAlreadyExists(
                    f"The model {manifest.name!r} already exists with different content or "
                    "parameters. Choose another name, or set overwrite.",
                    param="name",
                )
            for file in incoming:
                self.blobs.adopt(file)
            self.save(manifest)
            return manifest, True

    def _is_usable(self, old: Manifest, new: Manifest) -> bool:
        """Return whether `old` can be kept instead of `new`, which has the same content.

        Its files must exist unchanged, and paths registered in place must be the same.
        """
        in_place = any(file.path is not UNSET for file in old.files)
        if in_place and old.files != new.files:
            return False
        try:
            self.resolve(old)
        except (FileNotFound, FileChanged):
            return False  # the new registration restores a missing blob
        return True

    def _remove_unused(self, sha256s: set[str]) -> int:
        """Remove unused conversions and the unused blobs of `sha256s`; return the bytes freed."""
        snapshot = self._manifests.read()
        if snapshot.unreadable:
            return 0  # an unreadable manifest may refer to any blob
        used, unused = self.conversions.partition(snapshot.manifests.values())
        for path, conversion in unused.items():
            path.unlink()
            if conversion is not None and conversion.sha256:
                sha256s = sha256s | {conversion.sha256}
        return self.blobs.remove(sha256s - blobs_of(snapshot.manifests.values(), used.values()))


def _blob_file(incoming: Incoming) -> StoredFile:
    source = incoming.source
    return StoredFile(source.name, source.size, incoming.sha256, role=source.role)
