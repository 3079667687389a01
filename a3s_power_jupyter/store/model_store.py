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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock
from msgspec import UNSET

from ..contract.errors import (
    FileChanged,
    FileNotFound,
    ModelAlreadyExists,
)
from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest, ManifestProblem, RegisterRequest, Removable
from .blobs import BLOBS, BlobStore, Incoming
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .files import FILE_MODE, SourceFile, check_writable, file_size, make_directory
from .formats.inspection import inspect
from .garbage import PULLS, blobs_of, find_garbage, remove_unused
from .lookup import find_model, unreadable_manifest
from .manifest import MANIFESTS, ManifestDirectory, Snapshot, Unreadable, content
from .names import check_name
from .os_errors import writing
from .stored_files import paths_of, registered_in_place
from .work import Work

#: Seconds to wait for the store's lock, which is held for moments only.
LOCK_TIMEOUT = 60.0


class _BlobRemoved(Exception):
    """Another process removed a blob after its file was found to have the same content."""


class ModelStore:
    """The models of one home directory, which the first write creates."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._manifests = ManifestDirectory(home)
        self._lock = FileLock(home / "lock", timeout=LOCK_TIMEOUT, mode=FILE_MODE)
        self.blobs = BlobStore(home / BLOBS, self._lock)
        self.conversions = ConversionDirectory(home / CONVERSIONS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock, which is shared by all processes and reentrant in a thread.

        Hold it for moments only: no file of the user is read and nothing is hashed meanwhile.

        Raises
        ------
        InsufficientDisk, StoreUnavailable
            If the store cannot be written, or if another process does not release the lock.
        """
        with writing(self._home):
            make_directory(self._home)
            with self._lock:
                yield

    def register(
        self, request: RegisterRequest, parameters: DefaultParameters, work: Work | None = None
    ) -> tuple[Manifest, bool]:
        """Register the model at a path, or on an upstream server, under a name.

        Parameters
        ----------
        work : Work or None
            Stops the registration while files are hashed or copied. It is committed before
            anything that others see changes.

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
        WorkStopped
            If `work` was stopped.
        """
        check_name(request.name)
        work = work or Work()
        description = inspect(request, parameters)
        manifest = description.manifest(request, parameters)
        if request.copy:
            return self._register_copy(manifest, description.files, request.overwrite, work)
        known = self.list()
        files = tuple(registered_in_place(file, known, work) for file in description.files)
        manifest = msgspec.structs.replace(manifest, files=files)
        return self._commit(manifest, work, overwrite=request.overwrite)

    def _register_copy(
        self, manifest: Manifest, sources: Sequence[SourceFile], overwrite: bool, work: Work
    ) -> tuple[Manifest, bool]:
        while True:
            with (
                suppress(_BlobRemoved),  # the next attempt copies the file
                writing(self._home),
                self.blobs.import_files(sources, work) as incoming,
            ):
                files = tuple(file.stored for file in incoming)
                manifest = msgspec.structs.replace(manifest, files=files)
                return self._commit(manifest, work, overwrite=overwrite, incoming=incoming)

    def check(self) -> None:
        """Check that the store can be read and written.

        Raises
        ------
        StoreUnavailable
            If it cannot.
        """
        self.snapshot()
        with writing(self._home):
            for directory in (MANIFESTS, BLOBS, CONVERSIONS, PULLS):
                check_writable(self._home / directory)

    def snapshot(self) -> Snapshot:
        """Return all manifests, with those that cannot be read. Unchanged ones are kept in memory.

        Raises
        ------
        StoreUnavailable
            If the directory of the manifests cannot be read.
        """
        return self._manifests.read()

    def list(self) -> builtins.list[Manifest]:
        """Return all models, sorted by name; raises as `snapshot` does."""
        return [*self.snapshot().manifests.values()]

    def problems(self) -> builtins.list[ManifestProblem]:
        """Return the manifests that cannot be read, sorted by file."""
        unreadable = self.snapshot().unreadable
        return [ManifestProblem(bad.file, bad.reason) for bad in unreadable]

    def get(self, name: str) -> Manifest:
        """Return the model called `name`.

        Raises
        ------
        InvalidModelName, ModelNotFound, ManifestUnreadable
            If the name is not valid, no model has it, or its manifest cannot be read.
        """
        found = find_model(self._manifests.read(), name)
        if isinstance(found, Unreadable):
            raise unreadable_manifest(self._home, name, found)
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
        find_model(
            self._manifests.read(), name
        )  # before taking the lock, so that a wrong name does not create the home
        with self.locked():
            found = find_model(self._manifests.read(), name)
            if isinstance(found, Unreadable):
                self._manifests.remove(found.file)
                return 0
            self._manifests.remove(self._manifests.read().filenames[name])
            return remove_unused(blobs_of([found]), self.blobs, self._manifests, self.conversions)

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
                remove_unused(blobs_of([old]), self.blobs, self._manifests, self.conversions)

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

    def _commit(
        self,
        manifest: Manifest,
        work: Work,
        *,
        overwrite: bool,
        incoming: Sequence[Incoming] = (),
    ) -> tuple[Manifest, bool]:
        """Compare a new manifest with the existing one and write it, under the store's lock."""
        # Not under the lock, because the files may be on a disk that hangs.
        usable = self._usable_with(manifest)
        with self.locked():
            if not all(map(self.blobs.has, incoming)):
                raise _BlobRemoved
            work.commit()
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(manifest.name)
            if bad is not None and not overwrite:
                raise unreadable_manifest(self._home, manifest.name, bad)
            old = snapshot.manifests.get(manifest.name)
            if old is not None and old == usable:
                return old, False
            if old is not None and content(old) == content(manifest):
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

    def _usable_with(self, new: Manifest) -> Manifest | None:
        """Return the existing manifest of the name if it can be kept instead of `new`.

        It must have the same content, its files must exist unchanged, and paths registered in
        place must be the same.
        """
        old = self._manifests.read().manifests.get(new.name)
        if old is None or content(old) != content(new):
            return None
        in_place = any(file.path is not UNSET for file in old.files)
        if in_place and old.files != new.files:
            return None
        try:
            self.resolve(old)
        except (FileNotFound, FileChanged):
            return None  # the new registration restores a missing blob
        return old
