"""A file that is not complete yet: its bytes, and what is known of them on disk.

Under the home of the store, with ``<key>`` the hex SHA-256 of the file's URL at the hub::

    models/blobs/partial-<key>   the bytes, at their places
    pulls/<key>.json             `PartialState`: what survives a loss of power
    pulls/<key>.ranges           what survives the death of the process

Bytes that were written are in the hands of the system, so a killed process loses none of them;
the ranges file, a record of 16 bytes for each part, says where they are. It is believed only in
the boot it was written in. Every few seconds the bytes are synced, and after that the JSON is
written, so it never names a byte that a loss of power could take away.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
from msgspec import UNSET, UnsetType

from ...contract.errors import PowerError
from ...store.blobs import BLOBS, PARTIAL_PREFIX, clone
from ...store.files import source_file, write_atomically
from ...store.garbage import PULLS
from ...store.locks import ProcessLock
from ..resolve.plan import RemoteFile
from .parts import Part, Parts, Range, merged
from .positioned import PositionedFile

_RECORD = struct.Struct("<QQ")  # start and end of bytes that are here
_BOOT_BYTES = 16  # in the ranges file, before its records


class PartialState(msgspec.Struct, frozen=True, tag_field="kind", tag="file"):
    """The JSON file of a partial.

    Attributes
    ----------
    url, size, etag, sha256 : of the `RemoteFile`.
    names : models that want it.
    started_at, updated_at : unix seconds.
    ranges : bytes that are on disk and synced, in order.
    verified : SHA-256 of the whole file, once it was compared with what the hub states.
    mtime_ns : of the bytes when they were verified.
    """

    url: str
    size: int
    etag: str
    names: tuple[str, ...]
    started_at: float
    updated_at: float
    sha256: str | UnsetType = UNSET
    ranges: tuple[Range, ...] = ()
    verified: str | UnsetType = UNSET
    mtime_ns: int | UnsetType = UNSET

    def is_of(self, file: RemoteFile) -> bool:
        """Whether it is about the same content."""
        return (self.url, self.size, self.etag) == (file.url, file.size, file.etag)


class PartialPaths:
    """Where the files of a partial are."""

    def __init__(self, home: Path, url: str) -> None:
        self.key = hashlib.sha256(url.encode()).hexdigest()
        self.bytes = home / BLOBS / f"{PARTIAL_PREFIX}{self.key}"
        self.state = home / PULLS / f"{self.key}.json"
        self.ranges = home / PULLS / f"{self.key}.ranges"

    def remove(self) -> None:
        """Remove all; the JSON last, as it was written first."""
        for path in (self.bytes, self.ranges, self.state):
            path.unlink(missing_ok=True)


def content_lock(home: Path, url: str, sha256: str | UnsetType) -> ProcessLock:
    """Return the lock of one content, by its SHA-256 if the hub states it, else by its URL."""
    key = PartialPaths(home, url).key if sha256 is UNSET else sha256
    return ProcessLock(home / PULLS / f"{key}.lock")


class Partial:
    """The partial of one file; whoever has one holds its lock (`content_lock`).

    Attributes
    ----------
    parts : which bytes are here; what was on disk already is in it from the start.
    """

    def __init__(self, home: Path, file: RemoteFile, name: str) -> None:
        self.paths = PartialPaths(home, file.url)
        self._state = self._adopt(file, name)
        self._open()
        if self.is_linked and not self.parts.complete:
            self.clear()  # its other owner cut it, and would see what we write

    def write(self, part: Part, data: bytes) -> None:
        """Put bytes at the position of `part` and note that they are there."""
        self._bytes.write(data, part.position)
        record = _RECORD.pack(part.start, part.position + len(data))
        self._ranges.write(record, _BOOT_BYTES + part.slot * _RECORD.size)
        self.parts.advance(part, len(data))

    def mend(self, data: bytes, offset: int) -> bool:
        """Make the bytes at `offset` those in `data`; whether they were others."""
        if self._bytes.read(len(data), offset) == data:
            return False
        self._bytes.write(data, offset)
        return True

    def read(self, length: int, offset: int) -> bytes:
        return self._bytes.read(length, offset)

    def checkpoint(self) -> None:
        """Make what is here survive a loss of power."""
        ranges = tuple(self.parts.present())
        if ranges != self._state.ranges:
            self._bytes.sync()
            self._save(ranges=ranges)

    @property
    def verified(self) -> str | None:
        """The SHA-256, if the file was verified and has not been touched since."""
        state = self._state
        if state.verified is UNSET or not self.parts.complete:
            return None
        return state.verified if self._mtime_ns() == state.mtime_ns else None

    def set_verified(self, sha256: str) -> None:
        """The file is whole, synced, and what the hub states."""
        self._bytes.sync()
        ranges = tuple(self.parts.present())
        self._save(ranges=ranges, verified=sha256, mtime_ns=self._mtime_ns())

    @property
    def is_linked(self) -> bool:
        """Whether the bytes are those of another file too, which must not be written to."""
        return self.paths.bytes.stat().st_nlink > 1

    def borrow(self, donor: Path) -> bool:
        """Let the bytes be those of a whole file, by sharing its blocks or by a link to it;
        False where neither can be, and nothing is here."""
        self._restart(lambda: _share(donor, self.paths.bytes))
        return self.parts.complete

    def clear(self) -> None:
        """Forget the bytes."""
        self._restart(lambda: False)

    def close(self) -> None:
        self._bytes.close()
        self._ranges.close()

    def _adopt(self, file: RemoteFile, name: str) -> PartialState:
        """The state on disk, or a new one where there is none or the content is another."""
        old = read_state(self.paths.state)
        if old is not None and old.is_of(file):
            if name in old.names:
                return old
            state = msgspec.structs.replace(old, names=(*old.names, name))
        else:
            self.paths.remove()
            now = time.time()
            state = PartialState(
                url=file.url,
                size=file.size,
                etag=file.etag,
                names=(name,),
                started_at=now,
                updated_at=now,
                sha256=file.sha256,
            )
        self._state = state
        self._save()  # before the first byte: without it garbage collection takes the bytes
        return self._state

    def _restart(self, fill: Callable[[], bool]) -> None:
        """Remove the bytes; `fill` may put whole ones in their place, and says whether it did."""
        self.close()
        self.paths.bytes.unlink(missing_ok=True)
        self.paths.ranges.unlink(missing_ok=True)
        self._save(ranges=(), verified=UNSET, mtime_ns=UNSET)
        if fill():
            self._save(ranges=((0, self._state.size),))
        self._open()

    def _open(self) -> None:
        ranges = present(self.paths, self._state)
        self.parts = Parts(self._state.size, ranges)
        temporary = self.paths.ranges.with_suffix(".tmp")
        temporary.write_bytes(_boot() + b"".join(_RECORD.pack(*one) for one in ranges))
        temporary.replace(self.paths.ranges)
        self._ranges = PositionedFile(self.paths.ranges)
        self.paths.bytes.parent.mkdir(parents=True, exist_ok=True)
        self._bytes = PositionedFile(self.paths.bytes)

    def _mtime_ns(self) -> int:
        return self.paths.bytes.stat().st_mtime_ns

    def _save(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, updated_at=time.time(), **changes)
        write_state(self.paths.state, self._state)


def _share(donor: Path, path: Path) -> bool:
    """Make `path` a file of the same blocks as `donor`, or another name of it."""
    with suppress(PowerError, OSError):  # gone, of another user, or on another volume
        with path.open("xb", buffering=0) as file:
            if clone(source_file(donor), file):
                return True
        path.unlink()
        os.link(donor, path)
        return True
    path.unlink(missing_ok=True)
    return False


def read_state(path: Path) -> PartialState | None:
    """What a JSON file says; None where there is none, where it is of something else, or
    damaged, so that the download starts over."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PartialState)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_state(path: Path, state: PartialState) -> None:
    text = msgspec.json.format(msgspec.json.encode(state), indent=2)
    write_atomically(path, text + b"\n")


def present(paths: PartialPaths, state: PartialState) -> list[Range]:
    """The bytes on disk, in order. Any process may ask, also while another one writes."""
    try:
        length = paths.bytes.stat().st_size
    except FileNotFoundError:
        return []
    known = [*state.ranges, *_recorded(paths)]
    return merged((start, min(end, length, state.size)) for start, end in known)


def bytes_on_disk(home: Path, url: str) -> int:
    """How much of the file at `url` is here. Any process may ask."""
    paths = PartialPaths(home, url)
    state = read_state(paths.state)
    return 0 if state is None else sum(end - start for start, end in present(paths, state))


def _recorded(paths: PartialPaths) -> list[Range]:
    """What the ranges file says, if it was written in this boot."""
    try:
        content = paths.ranges.read_bytes()
    except FileNotFoundError:
        return []
    if content[:_BOOT_BYTES] != _boot():
        return []
    body = content[_BOOT_BYTES:]
    whole = len(body) - len(body) % _RECORD.size
    return [(start, end) for start, end in _RECORD.iter_unpack(body[:whole])]


def _boot() -> bytes:
    """What tells this boot of the machine from any other, in `_BOOT_BYTES`."""
    try:
        identity = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:  # not Linux
        identity = str(int(psutil.boot_time())).encode()
    return hashlib.sha256(identity).digest()[:_BOOT_BYTES]
