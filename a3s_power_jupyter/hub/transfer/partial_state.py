"""The files of a download in progress and their state on disk, for any process on the home.

In the home of the store, with ``<key>`` the hex SHA-256 of the file's URL at the hub::

    models/blobs/partial-<key>   the bytes, at their offsets
    pulls/<key>.json             `PartialState`, valid after a power failure
    pulls/<key>.ranges           written ranges, valid after the process was killed

Bytes that were written are in the page cache, so a killed process loses none of them; the ranges
file records where they are, with 16 bytes for each part. It is only used during the boot in which
it was written. Every few seconds the bytes are synced and then the JSON is written, so the JSON
never lists bytes that a power failure could lose.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil
from msgspec import UNSET, UnsetType

from ...contract.errors import ManifestUnreadable, PowerError
from ...contract.regular_file import read_regular
from ...store.blobs import BLOBS, PARTIAL_PREFIX
from ...store.files import write_atomically
from ...store.garbage import PULLS
from ...store.locks import ProcessLock
from ...store.schema import SCHEMA, newer_schema
from .parts import Range, merged

#: Start and end of a range in the ranges file.
RECORD = struct.Struct("<QQ")
#: Bytes in the ranges file before its records: the `boot_id`.
RANGES_HEADER = 16
#: Largest size of a state or a ranges file in bytes, enough for 400,000 parts.
MAX_SIZE = 16 << 20


class PartialState(msgspec.Struct, frozen=True, tag_field="kind", tag="file"):
    """The JSON file of a download.

    Attributes
    ----------
    url, size, etag, sha256
        Those of the `RemoteFile`.
    names : tuple of str
        Models that need the file.
    started_at, updated_at : float
        Unix seconds.
    ranges : tuple of Range
        Synced bytes, in order.
    verified : str, optional
        SHA-256 of the complete file, set once it matched the hash that the hub states.
    mtime_ns : int, optional
        Modification time of the bytes at their verification.
    schema : int
        Version of the file format.
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
    schema: int = SCHEMA


class PartialPaths:
    """Paths of the files of one download.

    Parameters
    ----------
    home : Path
        Home of the store.
    key : str
        Hex SHA-256 of the URL.
    """

    def __init__(self, home: Path, key: str) -> None:
        self.key = key
        self.bytes = home / BLOBS / f"{PARTIAL_PREFIX}{key}"
        self.state = home / PULLS / f"{key}.json"
        self.ranges = home / PULLS / f"{key}.ranges"

    @classmethod
    def of(cls, home: Path, url: str) -> PartialPaths:
        """Return the paths for the file at `url`."""
        return cls(home, hashlib.sha256(url.encode()).hexdigest())

    def remove(self) -> None:
        """Remove all files; the JSON last, because it is written first."""
        for path in (self.bytes, self.ranges, self.state):
            path.unlink(missing_ok=True)


def content_lock(home: Path, url: str, sha256: str | UnsetType) -> ProcessLock:
    """Return the lock under which one process at a time fetches a file.

    Files of different URLs share a lock if the hub states the same SHA-256 for them.
    """
    key = PartialPaths.of(home, url).key if sha256 is UNSET else sha256
    return ProcessLock(home / PULLS / f"{key}.lock")


def read_state(path: Path) -> PartialState | None:
    """Return the state in a JSON file.

    None if the file is missing, of another kind or of a newer version, unreadable or damaged. A
    download then starts over, after `check_schema`.
    """
    try:
        text = read_regular(path, MAX_SIZE)
        return None if newer_schema(text) else msgspec.json.decode(text, type=PartialState)
    except (OSError, PowerError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def check_schema(path: Path) -> None:
    """Check that the state in a JSON file may be replaced.

    Raises
    ------
    ManifestUnreadable
        If a newer version wrote it.
    """
    try:
        newer = newer_schema(read_regular(path, MAX_SIZE))
    except (OSError, PowerError):
        return  # missing, or damaged: there is nothing to keep
    if newer:
        raise ManifestUnreadable(f"The state of a pull, {path}, cannot be read: {newer}.")


def read_states(home: Path) -> list[PartialState]:
    """Return the states of all downloads on a home."""
    return list(filter(None, map(read_state, (home / PULLS).glob("*.json"))))


def write_state(path: Path, state: PartialState) -> None:
    text = msgspec.json.format(msgspec.json.encode(state), indent=2)
    write_atomically(path, text + b"\n")


def present_ranges(paths: PartialPaths, state: PartialState) -> list[Range]:
    """Return the bytes on disk in order, also while another process writes."""
    try:
        length = paths.bytes.stat().st_size
    except FileNotFoundError:
        return []
    known = [*state.ranges, *_recorded_ranges(paths)]
    return merged((start, min(end, length, state.size)) for start, end in known)


def bytes_on_disk(home: Path, url: str) -> int:
    """Return how many bytes of the file at `url` are on disk."""
    paths = PartialPaths.of(home, url)
    state = read_state(paths.state)
    return 0 if state is None else _count(present_ranges(paths, state))


def discard(home: Path, name: str) -> int:
    """Remove the downloads that only the model `name` needs.

    Files that another process is fetching or that another model needs are kept.

    Returns
    -------
    int
        Bytes freed.
    """
    return sum(_discard(home, state, name) for state in read_states(home) if name in state.names)


def _discard(home: Path, listed: PartialState, name: str) -> int:
    lock = content_lock(home, listed.url, listed.sha256)
    if not lock.acquire():
        return 0
    try:
        paths = PartialPaths.of(home, listed.url)
        state = read_state(paths.state)
        if state is None:
            return 0
        remaining = tuple(other for other in state.names if other != name)
        if remaining:
            write_state(paths.state, msgspec.structs.replace(state, names=remaining))
            return 0
        freed = _count(present_ranges(paths, state))
        paths.remove()
        return freed
    finally:
        lock.release()


def _count(ranges: Iterable[Range]) -> int:
    return sum(end - start for start, end in ranges)


def _recorded_ranges(paths: PartialPaths) -> list[Range]:
    """Return the content of the ranges file if it was written in this boot."""
    try:
        content = read_regular(paths.ranges, MAX_SIZE)
    except (OSError, PowerError):
        return []
    if content[:RANGES_HEADER] != boot_id():
        return []
    body = content[RANGES_HEADER:]
    whole = len(body) - len(body) % RECORD.size
    return [(start, end) for start, end in RECORD.iter_unpack(body[:whole])]


def boot_id() -> bytes:
    """Return an identifier of the current boot, in `RANGES_HEADER` bytes."""
    try:
        identity = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:  # not Linux
        identity = str(int(psutil.boot_time())).encode()
    return hashlib.sha256(identity).digest()[:RANGES_HEADER]
