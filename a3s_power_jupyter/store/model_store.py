"""Store models by name, with their files and the blobs that they share.

Layout of the home of the store::

    lock                         held while manifests or blobs change
    models/manifests/*.json      one file per model
    models/blobs/sha256-<hex>    files that were copied or downloaded
    models/blobs/partial-<hex>   a download in progress, described by pulls/<hex>.json
    models/conversions/*.json    one file per conversion, which refers to a blob
    prompts/<hash>/              warm prompts of the models with the same files

All methods are synchronous and thread-safe, and see changes by other processes on the same home.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ..contract.errors import FileNotFound
from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest, ManifestProblem, RegisterRequest, Removable
from .blobs import BLOBS, BlobStore
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .copies import copy_manifest
from .directories import check_writable, make_directory
from .files import FILE_MODE, file_size
from .garbage import PULLS, blobs_of, find_garbage, remove_unused
from .locks import held_for_reading
from .lookup import find_model, refuse_shared, unreadable_manifest
from .manifest import MANIFESTS, ManifestDirectory, Snapshot, Unreadable
from .names import check_name
from .os_errors import writing
from .prompts import remove_prompts, remove_prompts_of
from .registrar import Registrar
from .shared import SharedHomes
from .stored_files import paths_of
from .work import Work

#: Seconds to wait for the store's lock, which is held for moments only.
LOCK_TIMEOUT = 60.0


class ModelStore:
    """The models of one home directory, which the first write creates.

    Parameters
    ----------
    home : Path
    keep_prompts : bool
        Whether garbage collection keeps the warm prompts of models.
    shared_homes : sequence of Path
        Homes of other users. Their models are listed and used, and nothing in them is changed.
    """

    def __init__(
        self, home: Path, *, keep_prompts: bool = True, shared_homes: Sequence[Path] = ()
    ) -> None:
        self.home = home
        self._shared = SharedHomes(shared_homes)
        self._keep_prompts = keep_prompts
        self._manifests = ManifestDirectory(home)
        self.lock_path = home / "lock"
        self._lock = FileLock(self.lock_path, timeout=LOCK_TIMEOUT, mode=FILE_MODE)
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
        with writing(self.home):
            make_directory(self.home)
            with self._lock:
                yield

    def locked_for_reading(self) -> AbstractContextManager[bool]:
        """Keep other processes from changing the store; see `locks.held_for_reading`."""
        return held_for_reading(self.lock_path, LOCK_TIMEOUT)

    def register(
        self, request: RegisterRequest, parameters: DefaultParameters, work: Work | None = None
    ) -> tuple[Manifest, bool]:
        """Register a model; see `Registrar.register`."""
        registrar = Registrar(self.home, self._manifests, self.blobs, self.locked, self.save)
        return registrar.register(request, parameters, work or Work())

    def copy(
        self, source: str, name: str, parameters: DefaultParameters | None = None
    ) -> tuple[Manifest, bool]:
        """Give a model a further name. Both have the same files, and no bytes are copied.

        Parameters
        ----------
        parameters : DefaultParameters or None
            The default parameters of the new name; None for those of `source`.

        Returns
        -------
        manifest : Manifest
            The manifest of `name`.
        replaced : bool
            Whether the name had other default parameters before.

        Raises
        ------
        InvalidModelName, ModelNotFound, ManifestUnreadable
            If a name is not valid, there is no model `source`, or a manifest cannot be read.
        ModelAlreadyExists
            If `name` is another model. With `parameters`, it may have the same files.
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        check_name(name)
        self.get(source)  # before taking the lock, as in `delete`
        with self.locked():
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(name)
            if bad is not None:
                raise unreadable_manifest(self.home, name, bad)
            old = snapshot.manifests.get(name)
            manifest = copy_manifest(self.get(source), name, parameters, old)
            if manifest != old:
                self.save(manifest)
            return manifest, old is not None and manifest != old

    def check(self) -> None:
        """Check that the store can be read and written.

        Raises
        ------
        StoreUnavailable
            If it cannot.
        """
        self.snapshot()
        with writing(self.home):
            for directory in (MANIFESTS, BLOBS, CONVERSIONS, PULLS):
                check_writable(self.home / directory)

    def snapshot(self) -> Snapshot:
        """Return all manifests, with those that cannot be read. Unchanged ones are kept in memory.

        A model of this home hides one of the same name in a shared home.

        Raises
        ------
        StoreUnavailable
            If the directory of the manifests cannot be read.
        """
        own = self._manifests.read()
        shared = self._shared.read()
        others = {
            name: manifest
            for name, manifest in shared.manifests.items()
            if name not in own.manifests and own.unreadable_for(name) is None
        }
        if not others and not shared.problems:
            return own
        return replace(
            own,
            manifests=dict(sorted({**own.manifests, **others}.items())),
            shared=frozenset(others),
            shared_problems=shared.problems,
        )

    def list(self) -> builtins.list[Manifest]:
        """Return all models, sorted by name; raises as `snapshot` does."""
        return [*self.snapshot().manifests.values()]

    def problems(self) -> builtins.list[ManifestProblem]:
        """Return the manifests that cannot be read, sorted by file."""
        return problems_of(self.snapshot())

    def get(self, name: str) -> Manifest:
        """Return the model called `name`.

        Raises
        ------
        InvalidModelName, ModelNotFound, ManifestUnreadable
            If the name is not valid, no model has it, or its manifest cannot be read.
        """
        own = self._manifests.read()
        found = find_model(own if name in own.manifests else self.snapshot(), name)
        if isinstance(found, Unreadable):
            raise unreadable_manifest(self.home, name, found)
        return found

    def delete(self, name: str) -> int:
        """Delete a model, and the blobs and prompts that no other model uses.

        Files registered in place are kept. An unreadable manifest is deleted as well; garbage
        collection removes its blobs and prompts.

        Returns
        -------
        int
            Bytes freed.

        Raises
        ------
        InvalidModelName, ModelNotFound
            If the name is not valid, or no model has it.
        ManifestUnreadable
            If there is a directory in place of the manifest, which may have files of the user.
        Forbidden
            If the model is in a shared home.
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        # Before taking the lock, so that a wrong name does not create the home.
        snapshot = self.snapshot()
        find_model(snapshot, name)
        refuse_shared(snapshot, name)
        with self.locked():
            found = find_model(self._manifests.read(), name)
            if isinstance(found, Unreadable):
                if found.cause == "directory":
                    raise unreadable_manifest(self.home, name, found)
                self._manifests.remove(found.file)
                return 0
            self._manifests.remove(self._manifests.read().filenames[name])
            return self._remove_files_of(found)

    def save(self, manifest: Manifest) -> None:
        """Write the manifest of a model, replacing one of the same name.

        Blobs and prompts that are no longer used are removed. A caller that creates blobs must hold
        the lock until it has saved the manifest, so that garbage collection does not remove them.

        Raises
        ------
        InvalidModelName
            If the name is not valid.
        FileNotFound
            If a blob of the manifest does not exist.
        ManifestUnreadable
            If a newer version wrote the manifest of this name, or it is a directory.
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        check_name(manifest.name)
        with self.locked():
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(manifest.name)
            if bad is not None and not bad.can_be_replaced:
                raise unreadable_manifest(self.home, manifest.name, bad)
            old = snapshot.manifests.get(manifest.name)
            for sha256 in sorted(blobs_of([manifest])):
                if file_size(self.blobs.path(sha256)) is None:
                    raise FileNotFound(f"The store has no blob {sha256}. Pull the model again.")
            self._manifests.write(manifest)
            if old is not None:
                self._remove_files_of(old)

    def _remove_files_of(self, old: Manifest) -> int:
        """Remove what no model uses now that `old` is gone, and return the bytes freed."""
        freed = remove_unused(blobs_of([old]), self.blobs, self._manifests, self.conversions)
        left = self._manifests.read().manifests.values()
        return freed + remove_prompts_of(self.home, old, left)

    def find_conversion(self, conversion: Conversion) -> Conversion | None:
        """Return the record of a conversion, or None if there is none or its blob is missing."""
        found = self.conversions.get(conversion.key)
        if found is not None and found.refused is not None:
            return found
        if found is not None and file_size(self.blobs.path(found.sha256)) == found.size:
            return found
        shared = self._shared.converted(conversion)
        return None if shared is None else shared[0]

    def converted_path(self, conversion: Conversion) -> Path:
        """Return the path of the result of a conversion that `find_conversion` has found."""
        own = self.blobs.path(conversion.sha256)
        shared = None if file_size(own) is not None else self._shared.converted(conversion)
        return own if shared is None else shared[1]

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

    def remove_abandoned(self) -> None:
        """Remove temporary files that processes left which were ended while they wrote them.

        Raises
        ------
        StoreUnavailable
            If the store cannot be written.
        """
        with self.locked():
            for path in self.blobs.abandoned():
                path.unlink(missing_ok=True)

    def resolve(self, manifest: Manifest) -> builtins.list[Path]:
        """Return the paths of a model's files; see `stored_files.paths_of`."""
        return paths_of(manifest, self.blobs)

    def collect_garbage(self, dry_run: bool) -> builtins.list[Removable]:
        """Remove the files that no model or pull needs; with `dry_run`, only return them.

        Blobs and prompts are kept while any manifest is unreadable, because it may refer to them.

        Raises
        ------
        InsufficientDisk, PowerError
            If the store cannot be written.
        """
        if not self.home.exists():
            return []
        with self.locked():
            garbage = self.find_garbage()
            if not dry_run:
                for removable, path in garbage:
                    if removable.kind == "prompts":
                        remove_prompts(path)
                    else:
                        path.unlink(missing_ok=True)
            return [removable for removable, _ in garbage]

    def find_garbage(self) -> builtins.list[tuple[Removable, Path]]:
        """Return what `collect_garbage` would remove. The caller must hold the store's lock."""
        return find_garbage(
            self.home,
            self.blobs,
            self._manifests,
            self.conversions,
            keep_prompts=self._keep_prompts,
        )


def problems_of(snapshot: Snapshot) -> list[ManifestProblem]:
    """Return the manifests that cannot be read, sorted by file."""
    own = [ManifestProblem(bad.file, bad.reason) for bad in snapshot.unreadable]
    return [*own, *snapshot.shared_problems]
