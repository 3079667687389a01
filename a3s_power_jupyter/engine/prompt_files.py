"""Keep the states of earlier requests on disk while their model is unloaded.

A model's folder, which `store/prompts.py` names, has a folder for each set of load parameters and
library versions, and that has a file for each state::

    8 bytes   magic and version
    8 bytes   length of the header, little endian
    32 bytes  SHA-256 of the header
    header    msgpack of `Header`
    states    each followed by its SHA-256

The hashes are verified before anything is used, because libraries crash on damaged states. Several
servers may use the same folders: files appear by renaming, and may be gone at any moment. The
modification time of a file is the time at which its state was last used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from ..contract.errors import PowerError
from ..contract.regular_file import open_regular
from ..store.directories import make_directory
from ..store.files import create_file, temporary_path
from .prompt_cache import Checkpoint, Entry, is_prefix, token_array
from .prompt_space import PromptFile, Space, prompts_in, remove

log = logging.getLogger("a3s_power_jupyter.worker")

MAGIC = b"A3SPRMT1"

#: Files of one folder that are read at a load. Their headers have about 6 bytes for each token.
MAX_FILES = 256

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
            with _opened(self.path) as file:
                if _read_header(file) != self.header:
                    raise _Damaged("it has another header by now")
                file.seek(sum(s.size + _DIGEST for s in states[: self.index]), os.SEEK_CUR)
                state = file.read(states[self.index].size)
                if hashlib.sha256(state).digest() != file.read(_DIGEST):
                    raise _Damaged("the checksum of a state is wrong")
            os.utime(self.path)
            return state
        except (PowerError, _Damaged) as error:
            remove(self.path, error)
        except (OSError, MemoryError) as error:  # usually, another server has removed it
            log.info("Could not read %s: %s", self.path, error)
        return None

    def refuse(self) -> None:
        """Remove the file, because the engine cannot use the state."""
        remove(self.path, "the state does not fit")


class _Damaged(Exception):
    """A file cannot be used."""


class PromptFiles:
    """The states of one model on disk.

    No method raises an error of the disk, because the states can be computed again.

    Parameters
    ----------
    directory : Path
        Folder of the model's files, in the folder of all models.
    limit : int
        Bytes that the files of all models may have together.
    fits : sequence
        What the states fit to, besides the model's files. It must have a representation in JSON.
    """

    def __init__(self, directory: Path, limit: int, fits: Sequence[object]) -> None:
        content = msgspec.json.encode([MAGIC.decode(), directory.name, *fits])
        self._key = hashlib.sha256(content).hexdigest()
        self._root = directory.parent
        self._folder = directory / self._key[:32]
        self._limit = limit
        self._loaded: dict[Path, array[int]] = {}

    def load(self) -> list[Entry[Any]]:
        """Return the entries on disk, the least recently used first.

        Their states are a `SavedState`, and have no size. Damaged files are removed, and those that
        exceed the limit.
        """
        Space(self._root, self._limit).trim()
        found = sorted(prompts_in(self._folder), key=lambda file: file.used)
        entries = []
        for file in found[-MAX_FILES:]:
            try:
                entry = self._read(file)
            except (PowerError, _Damaged) as error:
                remove(file.path, error)
            except OSError as error:  # usually, another server has removed it
                log.info("Could not read %s: %s", file.path, error)
            else:
                self._loaded[file.path] = entry.tokens
                entries.append(entry)
        return entries

    def save(self, entries: Iterable[Entry[Any]], deadline: float) -> int:
        """Write the entries that are not on disk, and return the number of new files.

        They replace those that they continue. Beyond the limit, the least recently used files of
        all models are removed.

        Parameters
        ----------
        entries : iterable of Entry
            Their states are bytes, or arrays of bytes, or a `SavedState`. The most recently used
            ones are written first.
        deadline : float
            Monotonic time at which writing stops. A file that is not complete by then is removed.
        """
        written = 0
        try:
            space: Space | None = None
            for entry in entries:
                if isinstance(entry.state, SavedState):
                    continue
                if space is None:
                    make_directory(self._folder)
                    space = Space(self._root, self._limit)
                written += self._write(entry, space, deadline)
        except TimeoutError:
            log.info("There was no time to write all warm prompts")
        except OSError as error:
            log.warning("Could not write warm prompts to %s: %s", self._folder, error)
        return written

    def _read(self, file: PromptFile) -> Entry[Any]:
        with _opened(file.path) as opened:
            header = _read_header(opened)
        if header.key != self._key:
            raise _Damaged("it belongs to another model")
        return _entry(file.path, header, file.used)

    def _write(self, entry: Entry[Any], space: Space, deadline: float) -> bool:
        """Write an entry, unless it has a file or there is no room for it."""
        _check_time(deadline)
        states = _states(entry)
        header = _header(self._key, entry, states)
        path = self._folder / header.filename
        self._remove_prefixes(entry, space, path)
        with suppress(FileNotFoundError):
            os.utime(path, (entry.used, entry.used))
            return False
        encoded = msgspec.msgpack.encode(header)
        start = MAGIC + len(encoded).to_bytes(8, "little") + hashlib.sha256(encoded).digest()
        size = len(start) + len(encoded) + header.size
        if len(encoded) > MAX_HEADER or not space.make(size, entry.used):
            return False
        temporary = temporary_path(self._folder)
        try:
            with os.fdopen(create_file(temporary), "wb", buffering=0) as file:
                _write_all(file, memoryview(start + encoded))
                for state in states:
                    _write_state(file, memoryview(state.state).cast("B"), deadline)
            os.utime(temporary, (entry.used, entry.used))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        space.add(path, size, entry.used)
        return True

    def _remove_prefixes(self, entry: Entry[Any], space: Space, path: Path) -> None:
        """Remove the files that an entry continues, as `PromptCache.add` drops the entries."""
        for other, tokens in list(self._loaded.items()):
            if other != path and is_prefix(tokens, entry.tokens):
                space.remove(other)
                del self._loaded[other]


def _states(entry: Entry[Any]) -> list[Checkpoint[Any]]:
    """Return the states of an entry that can be written; checkpoints may be in an older file."""
    last = Checkpoint(len(entry.tokens), entry.n_past, entry.state, entry.size)
    states = [last]
    for checkpoint in entry.checkpoints:
        state = checkpoint.state
        if isinstance(state, SavedState):
            state = state.read()
        if state is not None:
            n_tokens, n_past = checkpoint.n_tokens, checkpoint.n_past
            states.append(Checkpoint(n_tokens, n_past, state, len(state)))
    return states


def _header(key: str, entry: Entry[Any], states: Iterable[Checkpoint[Any]]) -> Header:
    return Header(
        key,
        list(entry.tokens),
        list(entry.positions),
        entry.steady,
        tuple(StateHeader(state.n_tokens, state.n_past, state.size) for state in states),
    )


def _entry(path: Path, header: Header, used: float) -> Entry[Any]:
    last, *checkpoints = [
        Checkpoint(state.n_tokens, state.n_past, SavedState(path, header, index), 0)
        for index, state in enumerate(header.states)
    ]
    try:
        tokens, positions = token_array(header.tokens), array("i", header.positions)
    except OverflowError as error:
        raise _Damaged(str(error)) from None
    if not len(tokens) == len(positions) == last.n_tokens:
        raise _Damaged("its header contradicts itself")
    return Entry(
        tokens=tokens,
        positions=positions,
        n_past=last.n_past,
        steady=header.steady,
        state=last.state,
        size=0,
        checkpoints=tuple(checkpoints),
        used=used,
    )


def _opened(path: Path) -> BinaryIO:
    """Open a file, but neither a pipe nor a link."""
    if path.is_symlink():
        raise _Damaged("it is a link")
    return os.fdopen(open_regular(path), "rb")


def _read_header(file: BinaryIO) -> Header:
    """Return the header of an open file, which is then at its first state.

    Raises
    ------
    _Damaged
        If the file is damaged, incomplete, or of another version.
    """
    start = file.read(len(MAGIC) + 8 + _DIGEST)
    if start[: len(MAGIC)] != MAGIC:
        raise _Damaged("it has another format or version")
    length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 8], "little")
    if length > MAX_HEADER:
        raise _Damaged("its header is too long")
    encoded = file.read(length)
    if hashlib.sha256(encoded).digest() != start[len(MAGIC) + 8 :]:
        raise _Damaged("the checksum of the header is wrong")
    try:
        header = msgspec.msgpack.decode(encoded, type=Header)
    except msgspec.DecodeError as error:
        raise _Damaged(str(error)) from None
    if os.fstat(file.fileno()).st_size != file.tell() + header.size:
        raise _Damaged("it is incomplete")
    return header


def _write_state(file: BinaryIO, state: memoryview, deadline: float) -> None:
    digest = hashlib.sha256()
    for start in range(0, len(state), CHUNK):
        _check_time(deadline)
        chunk = state[start : start + CHUNK]
        digest.update(chunk)
        _write_all(file, chunk)
    _write_all(file, memoryview(digest.digest()))


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TimeoutError


def _write_all(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
