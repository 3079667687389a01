"""Read and write manifests, one JSON file per model. Changed files are read again."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET

from ..contract.errors import NotAFile, PathUnreadable, PowerError, StoreUnavailable
from ..contract.parameters import LoadParameters
from ..contract.regular_file import read_regular
from ..contract.text import unstopped
from ..contract.types import Manifest, ManifestProblem, StoredFile
from .a3s_power import A3SManifest, CannotRead, decode_a3s, read_a3s
from .blobs import BLOBS
from .directories import directory_entries, sync_directory
from .files import is_sha256, write_atomically
from .names import SUFFIX, check_name, manifest_filename, possible_filenames
from .os_errors import obstacle, reading_store
from .schema import MANIFEST_SCHEMA, newer_schema

#: Directory of the manifests, relative to the home of the store.
MANIFESTS = Path("models/manifests")

#: Seconds that a thread waits for another one that reads the manifests.
READ_TIMEOUT = 25.0

_MAX_SIZE = 16 << 20  # bytes; a manifest of 1,000 files has about 300,000


class Unreadable(NamedTuple):
    """A manifest that cannot be read.

    Attributes
    ----------
    reason : str
        A phrase, without a full stop.
    name : str or None
        Name of the model, if known.
    cause : {"content", "newer", "file", "directory", "duplicate"}
        What is at fault: its content; its version, which a newer version of this package wrote; the
        file itself, which cannot be opened; that it is a directory; or that another manifest has
        its name.
    other : A3SManifest or None
        The manifest of A3S Power that it is, of a model that cannot be used as it is.
    """

    file: str
    reason: str
    name: str | None
    cause: Literal["content", "newer", "file", "directory", "duplicate"] = "content"
    other: A3SManifest | None = None

    @property
    def is_newer(self) -> bool:
        return self.cause == "newer"

    @property
    def can_be_replaced(self) -> bool:
        """Whether another manifest may be written in its place, or none."""
        return self.cause not in ("newer", "directory")


@dataclass(frozen=True)
class Snapshot:
    """The manifests at one point in time.

    Attributes
    ----------
    manifests : mapping of str to Manifest
        Manifests by the name of the model, sorted.
    filenames : mapping of str to str
        File names by the name of the model.
    unreadable : tuple of Unreadable
        Manifests that cannot be read, sorted by file.
    shared : frozenset of str
        Names of the models that are in a shared home.
    shared_problems : tuple of ManifestProblem
        Why models of shared homes may be missing.
    """

    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    filenames: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()
    shared: frozenset[str] = frozenset()
    shared_problems: tuple[ManifestProblem, ...] = ()

    def unreadable_for(self, name: str) -> Unreadable | None:
        """Return the unreadable manifest that belongs to a model, by its content or file name."""
        if name in self.manifests:
            return None
        files = possible_filenames(name)
        for bad in self.unreadable:
            if bad.name == name or (bad.name is None and bad.file in files):
                return bad
        return None


class _Stamp(NamedTuple):
    """Attributes of a file that change if it is replaced or written to."""

    inode: int
    size: int
    mtime_ns: int


class ManifestDirectory:
    """The directory of manifests in the home of a store.

    `read` is thread-safe. The caller of `write` and `remove` must hold the store's lock.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._directory = home / MANIFESTS
        self._lock = threading.Lock()
        self._stamps: dict[str, _Stamp] = {}
        self._read: dict[str, Manifest | Unreadable] = {}
        self._snapshot = Snapshot()

    def read(self) -> Snapshot:
        """Return the current manifests. Unchanged files are not read again.

        Raises
        ------
        StoreUnavailable, ServerBusy
            If the directory cannot be read.
        """
        with self._locked():
            stamps = self._scan()
            if stamps != self._stamps:
                self._read = {
                    file: self._read[file] if self._stamps.get(file) == stamp else self._load(file)
                    for file, stamp in stamps.items()
                }
                # A model of A3S Power may become usable without a change of its manifest.
                self._stamps = {f: s for f, s in stamps.items() if _is_final(self._read[f])}
                self._snapshot = _snapshot(self._read)
            return self._snapshot

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A thread that reads from a disk that hangs must not block all others for ever.
        if not self._lock.acquire(timeout=READ_TIMEOUT):
            raise StoreUnavailable(
                f"The model store {self._home} does not respond. Check that its disk, or the "
                "server of a network disk, can be reached.",
                retry_after=30,
            )
        try:
            yield
        finally:
            self._lock.release()

    def write(self, manifest: Manifest) -> None:
        """Write the manifest of a model, replacing an existing one."""
        path = self._directory / self._filename(manifest.name)
        write_atomically(path, encode(manifest), keep_mode=True)  # users may share the store

    def remove(self, file: str) -> None:
        (self._directory / file).unlink()
        sync_directory(self._directory)

    def _filename(self, name: str) -> str:
        snapshot = self.read()
        bad = snapshot.unreadable_for(name)
        own = bad.file if bad else snapshot.filenames.get(name)
        if own is not None:
            return own
        taken = {file.lower() for file in snapshot.filenames.values()}
        return manifest_filename(name, taken | {bad.file.lower() for bad in snapshot.unreadable})

    def _scan(self) -> dict[str, _Stamp]:
        stamps = {}
        with reading_store(self._home), directory_entries(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and (stamp := _stamp(entry)) is not None:
                    stamps[entry.name] = stamp
        return stamps

    def _load(self, file: str) -> Manifest | Unreadable:
        path = self._directory / file
        try:
            text = read_regular(path, _MAX_SIZE)
        except OSError as error:
            link = obstacle(path) if isinstance(error, FileNotFoundError) else None
            return Unreadable(file, link or error.strerror or str(error), None, "file")
        except (NotAFile, PathUnreadable) as error:
            is_directory = path.is_dir() and not path.is_symlink()
            reason = unstopped(error.message)
            return Unreadable(file, reason, None, "directory" if is_directory else "file")
        try:
            return decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = str(error)
        newer = newer_schema(text, MANIFEST_SCHEMA)
        if newer:
            return Unreadable(file, newer, _name_in(text), "newer")
        other = decode_a3s(text)
        if other is None:
            return Unreadable(file, reason, _name_in(text))
        try:
            return read_a3s(other, self._home / BLOBS)
        except CannotRead as error:
            reason = f"it was written by A3S Power, and {error}"
            return Unreadable(file, reason, other.name, other=other)


def _is_final(read: Manifest | Unreadable) -> bool:
    return isinstance(read, Manifest) or read.other is None


def _stamp(entry: os.DirEntry[str]) -> _Stamp | None:
    """Return the stamp of a file, or None if it was removed during the scan.

    The stamp of a link that leads nowhere is its own: what it stands for may refer to blobs.
    """
    try:
        status = entry.stat()
    except FileNotFoundError:
        try:
            status = os.lstat(entry.path)
        except FileNotFoundError:
            return None
    except OSError:
        return _Stamp(0, 0, 0)  # reading the file will report the error
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(text: bytes) -> Manifest:
    """Decode a manifest, and check what the types do not say.

    These are the names and hashes that are used in paths, and that a model has what its format
    needs.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If `text` is not a valid manifest.
    """
    manifest = msgspec.json.decode(text, type=Manifest)
    try:
        check_name(manifest.name)
    except PowerError as error:
        raise msgspec.ValidationError(unstopped(error.message)) from None
    if manifest.format == "remote" and manifest.upstream is UNSET:
        raise msgspec.ValidationError("a remote model needs an upstream")
    if manifest.format != "remote" and not manifest.files:
        raise msgspec.ValidationError("the model has no files")
    for file in manifest.files:
        _check_file(file)
    return manifest


def content(manifest: Manifest) -> tuple[object, ...]:
    """Return the values that are equal for two registrations of the same content.

    File names matter in model directories only: a renamed GGUF file is still the same model.
    """
    named = manifest.format != "gguf"
    files = [(file.name if named else None, file.sha256) for file in manifest.files]
    return manifest.format, files, manifest.default_parameters, manifest.upstream


def loaded_content(manifest: Manifest) -> tuple[object, ...]:
    """Return the values of `content` that matter to a model in memory.

    Defaults of requests are read with each request.
    """
    format_, files, parameters, upstream = content(manifest)
    load = [getattr(parameters, name) for name in LoadParameters.__struct_fields__]
    return format_, files, load, upstream


def _check_file(file: StoredFile) -> None:
    name = PurePosixPath(file.name)
    if name.is_absolute() or ".." in name.parts or not name.parts or "\\" in file.name:
        raise msgspec.ValidationError(f"the path {file.name[:80]!r} is outside the model")
    if not is_sha256(file.sha256):
        raise msgspec.ValidationError(f"the sha256 of {file.name[:80]!r} is invalid")
    if file.size < 0:
        raise msgspec.ValidationError(f"the size of {file.name[:80]!r} is negative")
    if (file.path is UNSET) != (file.mtime_ns is UNSET):
        raise msgspec.ValidationError(f"{file.name[:80]!r} has only one of path and mtime_ns")


class _Named(msgspec.Struct):
    name: str


def _name_in(text: bytes) -> str | None:
    """Return the name in a JSON file that is not a valid manifest of this version."""
    try:
        return msgspec.json.decode(text, type=_Named).name
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _snapshot(read: Mapping[str, Manifest | Unreadable]) -> Snapshot:
    manifests: dict[str, Manifest] = {}
    filenames: dict[str, str] = {}
    unreadable = []
    for file, result in sorted(read.items()):
        if isinstance(result, Unreadable):
            unreadable.append(result)
        elif result.name in manifests:
            reason = f"{filenames[result.name]} also describes {result.name!r}"
            unreadable.append(Unreadable(file, reason, None, "duplicate"))
        else:
            manifests[result.name] = result
            filenames[result.name] = file
    return Snapshot(dict(sorted(manifests.items())), filenames, tuple(unreadable))
