"""What is on disk: models by name, their files, and the blobs they share.

Layout (contract, "Storage"), under the home of the store::

    lock                         held while manifests or blobs change
    models/manifests/*.json      one file a model
    models/blobs/sha256-<hex>    weights that were copied or downloaded
    models/blobs/partial-<hex>   a download under way, described by pulls/<hex>.json
    models/conversions/*.json    one file a conversion, whose result is a blob

All methods are synchronous, may be called from any thread, and see what other processes on
the same home did.
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
from ..contract.types import Manifest, ManifestProblem, RegisterRequest, Removable, StoredFile
from .blobs import BLOBS, BlobStore, Incoming
from .conversions import CONVERSIONS, Conversion, ConversionDirectory
from .files import SourceFile, sha256_of, source_file, writing
from .formats.inspection import inspect
from .garbage import blobs_of, find_garbage
from .manifest import MANIFESTS, ManifestDirectory, Unreadable, content
from .names import check_name


class ModelStore:
    """The models of one home. Nothing is created there before the first write."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._manifests = ManifestDirectory(home / MANIFESTS)
        self._lock = FileLock(home / "lock")
        self.blobs = BlobStore(home / BLOBS, self._lock)
        self.conversions = ConversionDirectory(home / CONVERSIONS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock, across processes; a thread that holds it may take it again.

        Raises
        ------
        InsufficientDisk, PowerError
            The store cannot be written.
        """
        with writing(self._home):
            self._home.mkdir(parents=True, exist_ok=True)
            with self._lock:
                yield

    def register(
        self, request: RegisterRequest, parameters: DefaultParameters
    ) -> tuple[Manifest, bool]:
        """Make the model at a path, or on an upstream server, known under a name.

        Returns
        -------
        manifest, changed
            `changed` is False when the same content was there under this name already.

        Raises
        ------
        ModelAlreadyExists
            The name has other content, and `overwrite` is not set.
        InvalidModelName, ManifestUnreadable, InsufficientDisk, FileChanged, PowerError, and
        what `inspection.inspect` raises
        """
        check_name(request.name)
        description = inspect(request, parameters)
        manifest = description.manifest(request, parameters)
        if request.copy:
            with writing(self._home), self.blobs.stage(description.files) as incoming:
                files = tuple(_blob_file(one) for one in incoming)
                manifest = msgspec.structs.replace(manifest, files=files)
                return self._commit(manifest, overwrite=request.overwrite, incoming=incoming)
        files = tuple(self._hashed(file) for file in description.files)
        manifest = msgspec.structs.replace(manifest, files=files)
        return self._commit(manifest, overwrite=request.overwrite)

    def list(self) -> builtins.list[Manifest]:
        """All models, sorted by name. Files that did not change are not read again."""
        return [*self._manifests.read().manifests.values()]

    def problems(self) -> builtins.list[ManifestProblem]:
        """Manifests that cannot be read, sorted by file; they are left alone."""
        unreadable = self._manifests.read().unreadable
        return [ManifestProblem(bad.file, bad.reason) for bad in unreadable]

    def get(self, name: str) -> Manifest:
        """The model called `name`.

        Raises
        ------
        InvalidModelName, ModelNotFound, ManifestUnreadable
        """
        found = self._find(name)
        if isinstance(found, Unreadable):
            raise self._unreadable(name, found)
        return found

    def delete(self, name: str) -> int:
        """Forget a model, and return the bytes freed: those of blobs that nobody else names.

        Files that were registered in place are not touched. A manifest that cannot be read
        is removed too, since it was asked for by name; its blobs are left to `collect_garbage`.

        Raises
        ------
        InvalidModelName, ModelNotFound, InsufficientDisk, PowerError
        """
        self._find(name)  # a wrong name must not create the store
        with self.locked():
            found = self._find(name)
            if isinstance(found, Unreadable):
                self._manifests.remove(found.file)
                return 0
            self._manifests.remove(self._manifests.read().filenames[name])
            return self._drop(blobs_of([found]))

    def save(self, manifest: Manifest) -> None:
        """Write the manifest of a model whose blobs are there, in place of any of its name.

        Blobs of the old one that nobody else names are removed. A caller that makes blobs
        does so and saves within one `changing`, or they could be collected in between.

        Raises
        ------
        InvalidModelName, FileNotFound, InsufficientDisk, PowerError
        """
        check_name(manifest.name)
        with self.locked():
            old = self._manifests.read().manifests.get(manifest.name)
            for sha256 in sorted(blobs_of([manifest])):
                if not self.blobs.path(sha256).exists():
                    raise FileNotFound(f"The store has no blob {sha256}. Pull the model again.")
            self._manifests.write(manifest)
            if old is not None:
                self._drop(blobs_of([old]))

    def find_conversion(self, conversion: Conversion) -> Conversion | None:
        """What is recorded of a conversion; None where it is still to be made, or its blob is
        lost."""
        found = self.conversions.get(conversion.key)
        if found is None or found.refused is not None:
            return found
        blob = self.blobs.path(found.sha256)
        return found if blob.exists() and blob.stat().st_size == found.size else None

    def save_conversion(self, conversion: Conversion, made: Path | None) -> None:
        """Record a conversion; the file that was `made` becomes its blob.

        Raises
        ------
        InsufficientDisk, PowerError
        """
        with self.locked():
            if made is not None:
                self.blobs.adopt_file(made, conversion.sha256)
            self.conversions.write(conversion)

    def resolve(self, manifest: Manifest) -> builtins.list[Path]:
        """Where the files of a model are, in their order, after a check that they are the same.

        Raises
        ------
        FileNotFound
            One is gone.
        FileChanged
            One has another size or time than when it was registered.
        NotAFile, PathUnreadable
        """
        return [self._resolve(file) for file in manifest.files]

    def collect_garbage(self, dry_run: bool) -> builtins.list[Removable]:
        """Remove, or with `dry_run` only list, what no model and no pull needs.

        Blobs are kept while any manifest cannot be read: it may name them.

        Raises
        ------
        InsufficientDisk, PowerError
        """
        if not self._home.exists():
            return []
        with self.locked():
            garbage = find_garbage(self._home, self.blobs, self._manifests, self.conversions)
            if not dry_run:
                for _, path in garbage:
                    path.unlink()
            return [removable for removable, _ in garbage]

    def _find(self, name: str) -> Manifest | Unreadable:
        check_name(name)
        snapshot = self._manifests.read()
        found = snapshot.manifests.get(name) or snapshot.unreadable_for(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, snapshot.manifests, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Register or pull it."
        raise ModelNotFound(f"There is no model {name!r}. {hint}", param="model")

    def _unreadable(self, name: str, bad: Unreadable) -> ManifestUnreadable:
        return ManifestUnreadable(
            f"The manifest of {name!r} cannot be read: {bad.reason}. Mend "
            f"{self._home / MANIFESTS / bad.file}, or register the model again with overwrite."
        )

    def _hashed(self, source: SourceFile) -> StoredFile:
        """`source` as a file in place; hashed only if no model has it with this size and time."""
        return StoredFile(
            name=source.name,
            size=source.size,
            sha256=self._remembered(source) or sha256_of(source),
            path=str(source.path),
            mtime_ns=source.mtime_ns,
            role=source.role,
        )

    def _remembered(self, source: SourceFile) -> str | None:
        for manifest in self.list():
            # A file written in the second of its hashing could have been written to again
            # without a change of its time, which is coarser than a write is long.
            if source.mtime_ns >= manifest.created * 10**9:
                continue
            for file in manifest.files:
                if (
                    file.path is not UNSET
                    and (file.size, file.mtime_ns) == (source.size, source.mtime_ns)
                    and Path(file.path).resolve() == source.path.resolve()
                ):
                    return file.sha256
        return None

    def _commit(
        self, manifest: Manifest, *, overwrite: bool, incoming: Sequence[Incoming] = ()
    ) -> tuple[Manifest, bool]:
        """Decide against what is there now, and write; other processes wait meanwhile."""
        with self.locked():
            snapshot = self._manifests.read()
            bad = snapshot.unreadable_for(manifest.name)
            if bad is not None and not overwrite:
                raise self._unreadable(manifest.name, bad)
            old = snapshot.manifests.get(manifest.name)
            if old is not None and content(old) == content(manifest):
                if self._holds(old, manifest):
                    return old, False
                manifest = msgspec.structs.replace(manifest, created=old.created)
            elif old is not None and not overwrite:
                raise ModelAlreadyExists(
                    f"There is a model {manifest.name!r} with other content or parameters. "
                    "Choose another name, or set overwrite.",
                    param="name",
                )
            for one in incoming:
                self.blobs.adopt(one)
            self.save(manifest)
            return manifest, True

    def _holds(self, old: Manifest, new: Manifest) -> bool:
        """Whether `old`, of the same content, makes `new` needless: its files are the same ones,
        or are blobs, which nothing outside can take away."""
        in_place = any(file.path is not UNSET for file in old.files)
        if in_place and old.files != new.files:
            return False
        try:
            self.resolve(old)
        except (FileNotFound, FileChanged):
            return False  # a blob was lost: this registration mends it
        return True

    def _resolve(self, file: StoredFile) -> Path:
        if file.path is UNSET:
            path = self.blobs.path(file.sha256)
            if not path.exists() or path.stat().st_size != file.size:
                raise FileNotFound(
                    f"The store has lost {file.name} ({path}). Pull or register the model again."
                )
            return path
        source = source_file(Path(file.path))
        if (source.size, source.mtime_ns) != (file.size, file.mtime_ns):
            raise FileChanged(
                f"{file.path} changed after it was registered. To use it as it is now, register "
                "it again with overwrite."
            )
        return source.path

    def _drop(self, sha256s: set[str]) -> int:
        """Remove those blobs that no model names any more, and the conversions that no model
        lives on, and return the bytes freed."""
        snapshot = self._manifests.read()
        if snapshot.unreadable:
            return 0  # what cannot be read may name them
        living, dead = self.conversions.partition(snapshot.manifests.values())
        for path, conversion in dead.items():
            path.unlink()
            if conversion is not None and conversion.sha256:
                sha256s = sha256s | {conversion.sha256}
        named = blobs_of(snapshot.manifests.values()) | {one.sha256 for one in living.values()}
        return self.blobs.remove(sha256s - named)


def _blob_file(incoming: Incoming) -> StoredFile:
    source = incoming.source
    return StoredFile(source.name, source.size, incoming.sha256, role=source.role)
