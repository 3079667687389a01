"""Register models in a store: hash or copy their files, and commit the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import msgspec

from ..contract.errors import ModelAlreadyExists
from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest, RegisterRequest
from .blobs import BlobStore, Incoming
from .files import SourceFile
from .formats.description import with_template
from .formats.inspection import inspect
from .lookup import unreadable_manifest
from .manifest import ManifestDirectory, content
from .names import check_name
from .os_errors import writing
from .stored_files import can_stay, registered_in_place
from .work import Work


class _BlobRemoved(Exception):
    """Another process removed a blob after its file was found to have the same content."""


class Registrar:
    """Registers models in a store.

    Parameters
    ----------
    home : Path
        Home of the store.
    manifests : ManifestDirectory
    blobs : BlobStore
    locked : callable
        Returns a context that holds the store's lock.
    save : callable
        Writes a manifest. The lock must be held.
    """

    def __init__(
        self,
        home: Path,
        manifests: ManifestDirectory,
        blobs: BlobStore,
        locked: Callable[[], AbstractContextManager[None]],
        save: Callable[[Manifest], None],
    ) -> None:
        self._home = home
        self._manifests = manifests
        self._blobs = blobs
        self._locked = locked
        self._save = save

    def register(
        self, request: RegisterRequest, parameters: DefaultParameters, work: Work
    ) -> tuple[Manifest, bool]:
        """Register the model at a path, or on an upstream server, under a name.

        If the name has the same files already, and the request neither has default parameters nor
        sets `overwrite`, the default parameters stay. This restores a damaged file in the store.

        Parameters
        ----------
        parameters : DefaultParameters
            Those of a new model: of the request, or else of its files.
        work : Work
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
            If the existing manifest of the name cannot be read, and `overwrite` is not set, a newer
            version wrote it, or it is a directory.
        InsufficientDisk
            If the copy does not fit on the disk.
        PowerError
            If the store cannot be written, or if `inspection.inspect` refuses the model.
        WorkStopped
            If `work` was stopped.
        """
        check_name(request.name)
        description = inspect(request, parameters)
        manifest = description.manifest(request, parameters)
        if request.copy:
            return self._register_copy(manifest, description.files, request, work)
        known = self._manifests.read().manifests.values()
        files = tuple(registered_in_place(file, known, work) for file in description.files)
        manifest = msgspec.structs.replace(manifest, files=files)
        return self._commit(manifest, request, work)

    def _register_copy(
        self,
        manifest: Manifest,
        sources: Sequence[SourceFile],
        request: RegisterRequest,
        work: Work,
    ) -> tuple[Manifest, bool]:
        while True:
            with (
                suppress(_BlobRemoved),  # the next attempt copies the file
                writing(self._home),
                self._blobs.import_files(sources, work) as incoming,
            ):
                files = tuple(file.stored for file in incoming)
                manifest = msgspec.structs.replace(manifest, files=files)
                return self._commit(manifest, request, work, incoming)

    def _commit(
        self,
        manifest: Manifest,
        request: RegisterRequest,
        work: Work,
        incoming: Sequence[Incoming] = (),
    ) -> tuple[Manifest, bool]:
        """Compare a new manifest with the existing one and write it, under the store's lock."""
        # Not under the lock, because the files may be on a disk that hangs.
        usable = self._usable_with(manifest, request)
        with self._locked():
            if not all(map(self._blobs.has, incoming)):
                raise _BlobRemoved
            work.commit()
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(manifest.name)
            if bad is not None and not (bad.can_be_replaced and request.overwrite):
                raise unreadable_manifest(self._home, manifest.name, bad)
            old = snapshot.manifests.get(manifest.name)
            if old is not None and old == usable:
                return old, False
            manifest = _with_kept_parameters(manifest, old, request)
            if old is not None and content(old) == content(manifest):
                manifest = msgspec.structs.replace(manifest, created=old.created)
            elif old is not None and not request.overwrite:
                raise ModelAlreadyExists(
                    f"The model {manifest.name!r} already exists with different content or "
                    'parameters. Choose another name, or set "overwrite": true.',
                    param="name",
                )
            for file in incoming:
                self._blobs.adopt(file)
            self._save(manifest)
            return manifest, True

    def _usable_with(self, new: Manifest, request: RegisterRequest) -> Manifest | None:
        """Return the existing manifest of the name if it can be kept instead of `new`."""
        old = self._manifests.read().manifests.get(new.name)
        new = _with_kept_parameters(new, old, request)
        return old if old is not None and can_stay(old, new, self._blobs) else None


def _with_kept_parameters(
    new: Manifest, old: Manifest | None, request: RegisterRequest
) -> Manifest:
    """Return `new` with the default parameters of `old`, if the request has none.

    They are kept so that registering a model again restores its files and nothing else. Parameters
    that come with the files do not count. With `overwrite`, the request replaces everything.
    """
    if old is None or request.overwrite or request.default_parameters is not None:
        return new
    kept = old.default_parameters
    return msgspec.structs.replace(
        new, default_parameters=kept, capabilities=with_template(new.capabilities, kept)
    )
