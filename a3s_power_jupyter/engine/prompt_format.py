"""The format of a file with the states of an earlier request::

    8 bytes   magic and version
    8 bytes   length of the header, little endian
    32 bytes  SHA-256 of the header
    header    msgpack of `Header`
    states    each followed by its SHA-256

The hashes are verified before anything is used, because libraries crash on damaged states.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from ..contract.errors import PowerError
from ..contract.regular_file import open_regular
from .prompt_cache import Checkpoint
from .prompt_space import remove

log = logging.getLogger("a3s_power_jupyter.worker")

#: Format and version.
MAGIC = b"A3SPRMT1"

#: Largest header that is read, in bytes.
MAX_HEADER = 64 << 20

#: Bytes that are written between two looks at the clock.
CHUNK = 4 << 20

_DIGEST = hashlib.sha256().digest_size


class StateHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state in a file: the fields of a `Checkpoint` without the state itself."""

    n_tokens: int
    n_past: int
    size: Annotated[int, Meta(ge=0)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a file: an `Entry`, with its last state and then its checkpoints.

    Attributes
    ----------
    key : str
        What the states fit to; see `PromptFiles`.
    """

    key: str
    tokens: list[int]
    positions: list[int]
    steady: int
    states: Annotated[tuple[StateHeader, ...], Meta(min_length=1)]

    @property
    def filename(self) -> str:
        """The name of the file, which is the same for the same tokens."""
        content = msgspec.msgpack.encode([self.tokens, self.positions])
        return hashlib.sha256(content).hexdigest()[:32] + ".prompt"

    @property
    def size(self) -> int:
        """Bytes after the header."""
        return sum(state.size + _DIGEST for state in self.states)


@dataclass(frozen=True)
class SavedState:
    """A state in a file, of which only the header has been read."""

    path: Path
    header: Header
    index: int

    def read(self) -> bytes | None:
        """Return the state; None if the file is gone or damaged. A damaged file is removed."""
        states = self.header.states
        try:
            with opened(self.path) as file:
                if read_header(file) != self.header:
                    raise Damaged("it has another header by now")
                file.seek(sum(s.size + _DIGEST for s in states[: self.index]), os.SEEK_CUR)
                state = file.read(states[self.index].size)
                if hashlib.sha256(state).digest() != file.read(_DIGEST):
                    raise Damaged("the checksum of a state is wrong")
            os.utime(self.path)
            return state
        except (PowerError, Damaged) as error:
            remove(self.path, error)
        except (OSError, MemoryError) as error:  # usually, another server has removed it
            log.info("Could not read %s: %s", self.path, error)
        return None

    def refuse(self) -> None:
        """Remove the file, because the engine cannot use the state."""
        remove(self.path, "the state does not fit")


class Damaged(Exception):
    """A file cannot be used."""


def opened(path: Path) -> BinaryIO:
    """Open a file, but neither a pipe nor a link."""
    if path.is_symlink():
        raise Damaged("it is a link")
    return os.fdopen(open_regular(path), "rb")


def read_header(file: BinaryIO) -> Header:
    """Return the header of an open file, which is then at its first state.

    Raises
    ------
    Damaged
        If the file is damaged, incomplete, or of another version.
    """
    start = file.read(len(MAGIC) + 8 + _DIGEST)
    if start[: len(MAGIC)] != MAGIC:
        raise Damaged("it has another format or version")
    length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 8], "little")
    if length > MAX_HEADER:
        raise Damaged("its header is too long")
    encoded = file.read(length)
    if hashlib.sha256(encoded).digest() != start[len(MAGIC) + 8 :]:
        raise Damaged("the checksum of the header is wrong")
    try:
        header = msgspec.msgpack.decode(encoded, type=Header)
    except msgspec.DecodeError as error:
        raise Damaged(str(error)) from None
    if os.fstat(file.fileno()).st_size != file.tell() + header.size:
        raise Damaged("it is incomplete")
    return header


def write_states(
    file: BinaryIO, header: bytes, states: Iterable[Checkpoint[Any]], deadline: float
) -> None:
    """Write a file.

    Parameters
    ----------
    header : bytes
        What `encode_header` returns.
    deadline : float
        Monotonic time at which writing stops.

    Raises
    ------
    TimeoutError
        At the deadline.
    """
    _write_all(file, memoryview(header))
    for state in states:
        _write_state(file, memoryview(state.state).cast("B"), deadline)


def encode_header(header: Header) -> bytes:
    """Return what a file has before its first state."""
    encoded = msgspec.msgpack.encode(header)
    return MAGIC + len(encoded).to_bytes(8, "little") + hashlib.sha256(encoded).digest() + encoded


def _write_state(file: BinaryIO, state: memoryview, deadline: float) -> None:
    digest = hashlib.sha256()
    for start in range(0, len(state), CHUNK):
        check_time(deadline)
        chunk = state[start : start + CHUNK]
        digest.update(chunk)
        _write_all(file, chunk)
    _write_all(file, memoryview(digest.digest()))


def check_time(deadline: float) -> None:
    """Raise `TimeoutError` at the deadline."""
    if time.monotonic() >= deadline:
        raise TimeoutError


def _write_all(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
