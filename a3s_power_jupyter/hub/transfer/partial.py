"""Write, read, hash and verify the incomplete file of a download.

The holder of the file's `content_lock` has one `Partial`, which several connections write to and
one `Hasher` reads from.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

from ...contract.errors import PowerError
from ...contract.regular_file import open_regular
from ...store.blobs import clone
from ...store.directories import make_directory
from ...store.files import create_file, source_file
from ..resolve.repository import RemoteFile
from .partial_state import (
    RANGES_HEADER,
    RECORD,
    PartialPaths,
    PartialState,
    boot_id,
    check_schema,
    present_ranges,
    read_state,
    write_state,
)
from .parts import Part, Parts

#: Bytes hashed at once. They were just written, so they are still in the page cache.
HASH_CHUNK = 1 << 20
#: Seconds between two checks whether the hasher was stopped.
HASH_POLL = 0.2


class PositionedFile:
    """A file that several threads read and write at explicit offsets; created if missing."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = create_file(path)
        except FileExistsError:
            self._descriptor = open_regular(path, os.O_RDWR)
        self._position = threading.Lock()  # Windows has no pread and pwrite

    def write(self, data: memoryview | bytes, offset: int) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            written = self._write(rest, offset)
            rest, offset = rest[written:], offset + written

    def read(self, length: int, offset: int) -> bytes:
        """Return up to `length` bytes; fewer at the end of the file."""
        if sys.platform != "win32":
            return os.pread(self._descriptor, length, offset)
        with self._position:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)

    def sync(self) -> None:
        """Flush the written data to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, data: memoryview, offset: int) -> int:
        if sys.platform != "win32":
            return os.pwrite(self._descriptor, data, offset)
        with self._position:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, data)


class Partial:
    """The incomplete file of one download.

    Attributes
    ----------
    parts : Parts
        Which bytes are on disk, including those of earlier runs.
    """

    def __init__(self, home: Path, file: RemoteFile, name: str) -> None:
        self.paths = PartialPaths.of(home, file.url)
        self._state = self._load_state(file, name)
        self._open()
        if self.is_linked and not self.parts.complete:
            self.clear()  # the linked file was truncated; writing would change it

    def write(self, part: Part, data: bytes) -> None:
        """Write bytes at the position of `part` and record them."""
        self._bytes.write(data, part.position)
        record = RECORD.pack(part.start, part.position + len(data))
        self._ranges.write(record, RANGES_HEADER + part.slot * RECORD.size)
        self.parts.advance(part, len(data))

    def overwrite(self, data: bytes, offset: int) -> None:
        """Write `data` at `offset` where it differs from the file."""
        if self._bytes.read(len(data), offset) != data:
            self._bytes.write(data, offset)

    def read(self, length: int, offset: int) -> bytes:
        return self._bytes.read(length, offset)

    def checkpoint(self) -> None:
        """Make the present bytes survive a power failure."""
        ranges = tuple(self.parts.present())
        if ranges != self._state.ranges:
            self._bytes.sync()
            self._save(ranges=ranges)

    @property
    def verified(self) -> str | None:
        """SHA-256 of the file if it was verified and not modified since."""
        state = self._state
        if state.verified is UNSET or not self.parts.complete:
            return None
        return state.verified if self._mtime_ns() == state.mtime_ns else None

    def set_verified(self, sha256: str) -> None:
        """Sync the complete file and record its hash, which matches the one of the hub."""
        self._bytes.sync()
        ranges = tuple(self.parts.present())
        self._save(ranges=ranges, verified=sha256, mtime_ns=self._mtime_ns())

    @property
    def is_linked(self) -> bool:
        """Whether the bytes are hard-linked to another file, which must not be written to."""
        return self.paths.bytes.stat().st_nlink > 1

    def adopt(self, copy: Path) -> bool:
        """Use a complete local file as the bytes, by cloning its blocks or by a hard link.

        Returns
        -------
        bool
            False if neither works; the partial is empty then.
        """
        self._restart(lambda: _share(copy, self.paths.bytes))
        return self.parts.complete

    def clear(self) -> None:
        """Remove the bytes."""
        self._restart(lambda: False)

    def close(self) -> None:
        self._bytes.close()
        self._ranges.close()

    def _load_state(self, file: RemoteFile, name: str) -> PartialState:
        """Return the state on disk, or a new one if there is none or the content differs."""
        check_schema(self.paths.state)
        old = read_state(self.paths.state)
        content = (file.url, file.size, file.etag)
        if old is not None and (old.url, old.size, old.etag) == content:
            if name in old.names:
                return old
            state = msgspec.structs.replace(old, names=(*old.names, name))
        else:
            self.paths.remove()
            now = time.time()
            state = PartialState(*content, (name,), now, now, sha256=file.sha256)
        self._state = state
        self._save()  # before the first byte, because garbage collection removes bytes without it
        return self._state

    def _restart(self, fill: Callable[[], bool]) -> None:
        """Remove the bytes and call `fill`, which returns whether it created the complete file."""
        self.close()
        self.paths.bytes.unlink(missing_ok=True)
        self.paths.ranges.unlink(missing_ok=True)
        self._save(ranges=(), verified=UNSET, mtime_ns=UNSET)
        if fill():
            self._save(ranges=((0, self._state.size),))
        self._open()

    def _open(self) -> None:
        ranges = present_ranges(self.paths, self._state)
        self.parts = Parts(self._state.size, ranges)
        temporary = self.paths.ranges.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)  # left by a killed process
        with os.fdopen(create_file(temporary), "wb") as file:
            file.write(boot_id() + b"".join(RECORD.pack(*one) for one in ranges))
        temporary.replace(self.paths.ranges)
        self._ranges = PositionedFile(self.paths.ranges)
        make_directory(self.paths.bytes.parent)
        self._bytes = PositionedFile(self.paths.bytes)

    def _mtime_ns(self) -> int:
        return self.paths.bytes.stat().st_mtime_ns

    def _save(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, updated_at=time.time(), **changes)
        write_state(self.paths.state, self._state)


def _share(copy: Path, path: Path) -> bool:
    """Clone the blocks of `copy` to `path`, or link it there; return whether one of them worked."""
    with suppress(PowerError, OSError):  # gone, unreadable, or on another volume
        with os.fdopen(create_file(path), "wb", buffering=0) as file:
            if clone(source_file(copy), file):
                return True
        path.unlink()
        os.link(copy, path)
        return True
    path.unlink(missing_ok=True)
    return False


@dataclass(frozen=True)
class Digest:
    """SHA-256 of a file in hex, and whether the file matches the hash that the hub states."""

    sha256: str
    matches: bool


class Hasher:
    """Hash a file in order while it is written, on a thread that starts at once.

    Parameters
    ----------
    file : RemoteFile
        The file with its stated hash.
    parts : Parts
        Which bytes are on disk.
    read : callable
        Returns up to a number of bytes at an offset.
    """

    def __init__(self, file: RemoteFile, parts: Parts, read: Callable[[int, int], bytes]) -> None:
        self._file = file
        self._parts = parts
        self._read = read
        self._sha256 = hashlib.sha256()
        # For small files the hub states the id of the git blob.
        self._blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="power-hasher", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; return whether the hasher has finished."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Stop hashing and wait for the thread."""
        self._stopped.set()
        self._thread.join()

    def result(self) -> Digest:
        """Return the digest of the complete file.

        Raises
        ------
        OSError
            If the file could not be read.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if isinstance(self._file.sha256, str):
            matches = self._sha256.hexdigest() == self._file.sha256
        else:
            matches = self._blob.hexdigest() == self._file.blob_id
        return Digest(self._sha256.hexdigest(), matches)

    def _run(self) -> None:
        try:
            self._hash()
        except Exception as error:  # raised again by `result`
            self._error = error

    def _hash(self) -> None:
        position = 0
        while position < self._parts.size and not self._stopped.is_set():
            end = self._parts.wait_beyond(position, HASH_CHUNK, HASH_POLL)
            while position < end and not self._stopped.is_set():
                data = self._read(min(HASH_CHUNK, end - position), position)
                if not data:
                    raise OSError("The partial file is shorter than what was written to it.")
                self._sha256.update(data)
                if not isinstance(self._file.sha256, str):
                    self._blob.update(data)
                position += len(data)
