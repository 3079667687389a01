"""Keep warm prompts on disk while their model is unloaded.

A model's folder, which `store/prompts.py` names, has a folder for each set of load parameters and
library versions, and that has a file for each prompt::

    8 bytes   magic and version
    8 bytes   length of the header, little endian
    32 bytes  SHA-256 of the header
    header    msgpack of `PromptHeader`
    state     as the engine gave it
    32 bytes  SHA-256 of the state

The hashes are verified before anything is used, because libraries crash on damaged states. Several
servers may use the same folders: files appear by renaming, and may be gone at any moment. The
modification time of a file is the time at which its prompt was last used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..contract.errors import PowerError
from ..contract.regular_file import open_regular
from ..store.blobs import HEADROOM
from ..store.directories import make_directory
from ..store.files import TEMPORARY_PREFIX, create_file, temporary_path

log = logging.getLogger("a3s_power_jupyter.worker")

MAGIC = b"A3SPRMT1"
SUFFIX = ".prompt"

#: Files of one folder that are read at a load. Their headers have about 3 bytes for each token.
MAX_FILES = 256

#: Largest header that is read, in bytes.
MAX_HEADER = 64 << 20

#: Bytes that are written between two looks at the clock.
CHUNK = 4 << 20

_DIGEST = hashlib.sha256().digest_size


class PromptHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt and the meaning of its state; see `prompt_cache.Entry`.

    Attributes
    ----------
    state_bytes : int
        Length of the state.
    """

    tokens: list[int]
    positions: list[int]
    n_past: int
    steady: int
    state_bytes: int

    @property
    def filename(self) -> str:
        """The name of the file, which is the same for the same prompt."""
        prompt = msgspec.structs.replace(self, state_bytes=0)
        return hashlib.sha256(msgspec.msgpack.encode(prompt)).hexdigest()[:32] + SUFFIX


@dataclass(frozen=True)
class SavedPrompt:
    """A prompt in a file, of which only the header has been read."""

    path: Path
    header: PromptHeader

    def read_state(self) -> bytes | None:
        """Return the state; None if the file is gone or damaged. A damaged file is removed."""
        try:
            with _opened(self.path) as file:
                if _read_header(file) != self.header:
                    raise _Damaged("it has another header by now")
                state = file.read(self.header.state_bytes)
                if hashlib.sha256(state).digest() != file.read(_DIGEST):
                    raise _Damaged("the checksum of the state is wrong")
            os.utime(self.path)
            return state
        except (PowerError, _Damaged) as error:
            _drop(self.path, error)
        except (OSError, MemoryError) as error:  # usually, another server has removed it
            log.info("Could not read the warm prompt %s: %s", self.path, error)
        return None


@dataclass(frozen=True)
class WarmPrompt:
    """A prompt to be saved.

    Attributes
    ----------
    header : PromptHeader
    state : bytes-like
        Has ``header.state_bytes`` bytes.
    used : float
        Unix time of the last use.
    """

    header: PromptHeader
    state: bytes | memoryview
    used: float


@dataclass
class _File:
    path: Path
    size: int
    used: float


class _Damaged(Exception):
    """A file of prompts cannot be used."""


class PromptFiles:
    """The warm prompts of a model on disk.

    No method raises an error of the disk: the prompts are then read again by the model.

    Parameters
    ----------
    directory : Path
        Folder of the model's files, in the folder of all models.
    key : str
        Name of the folder in `directory`. States with different keys do not fit each other.
    limit : int
        Bytes that the prompts of all models may have together.
    """

    def __init__(self, directory: Path, key: str, limit: int) -> None:
        self._root = directory.parent
        self._folder = directory / key
        self._limit = limit

    def load(self) -> list[SavedPrompt]:
        """Return the prompts on disk, the last used first. Damaged files are removed."""
        found = sorted(_files_in(self._folder), key=lambda file: file.used, reverse=True)
        prompts = []
        for file in found[:MAX_FILES]:
            try:
                with _opened(file.path) as opened:
                    prompts.append(SavedPrompt(file.path, _read_header(opened)))
            except (PowerError, _Damaged) as error:
                _drop(file.path, error)
            except OSError as error:  # usually, another server has removed it
                log.info("Could not read the warm prompt %s: %s", file.path, error)
        return prompts

    def save(self, prompts: Iterable[WarmPrompt], deadline: float) -> int:
        """Write prompts, the most valuable ones first, and return the number of new files.

        A file that exists is not written again. Those of all models that were not used for the
        longest time are removed where the limit demands it.

        Parameters
        ----------
        deadline : float
            Monotonic time at which writing stops. A file that is not complete by then is removed.
        """
        written = 0
        try:
            make_directory(self._folder)
            space = _Space(self._root, self._limit)
            for prompt in prompts:
                written += self._write(prompt, space, deadline)
        except OSError as error:
            log.warning("Could not write warm prompts to %s: %s", self._folder, error)
        return written

    def remove(self, prompts: Iterable[SavedPrompt]) -> None:
        """Remove files of prompts that nobody needs any more."""
        for prompt in prompts:
            with suppress(OSError):
                prompt.path.unlink()

    def _write(self, prompt: WarmPrompt, space: _Space, deadline: float) -> bool:
        """Write a prompt, unless its file exists or there is no room for it."""
        path = self._folder / prompt.header.filename
        with suppress(FileNotFoundError):
            os.utime(path, (prompt.used, prompt.used))
            return False
        header = msgspec.msgpack.encode(prompt.header)
        size = len(MAGIC) + 8 + 2 * _DIGEST + len(header) + prompt.header.state_bytes
        if len(header) > MAX_HEADER or not space.make(size, prompt.used):
            return False
        _check_time(deadline)
        temporary = temporary_path(self._folder)
        try:
            with os.fdopen(create_file(temporary), "wb", buffering=0) as file:
                length = len(header).to_bytes(8, "little")
                _write_all(file, MAGIC + length + hashlib.sha256(header).digest() + header)
                _write_state(file, memoryview(prompt.state).cast("B"), deadline)
            os.utime(temporary, (prompt.used, prompt.used))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        space.add(path, size, prompt.used)
        return True


class _Space:
    """The space on disk for the prompts of all models.

    Parameters
    ----------
    root : Path
        Folder of all models.
    limit : int
        Bytes that all files may have together.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._files = sorted(_all_files(root), key=lambda file: file.used, reverse=True)
        self._total = sum(file.size for file in self._files)

    def make(self, size: int, used: float) -> bool:
        """Remove files that were last used before `used` until there is room for `size` bytes.

        Return whether there is. If there cannot be, nothing is removed.
        """
        older = sum(file.size for file in self._files if file.used < used)
        if self._total - older + size > self._limit:
            return False
        if shutil.disk_usage(self._root).free - size < HEADROOM:
            return False
        while self._total + size > self._limit:
            self._remove(self._files.pop())
        return True

    def add(self, path: Path, size: int, used: float) -> None:
        """Count a new file."""
        self._total += size
        self._files.append(_File(path, size, used))
        self._files.sort(key=lambda file: file.used, reverse=True)

    def _remove(self, file: _File) -> None:
        file.path.unlink(missing_ok=True)
        self._total -= file.size


def _all_files(root: Path) -> Iterator[_File]:
    for model in _subfolders(root):
        for folder in _subfolders(model):
            yield from _files_in(folder, temporary=True)


def _subfolders(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def _files_in(folder: Path, *, temporary: bool = False) -> Iterator[_File]:
    """Yield the files of prompts in a folder, and remove what only has the name of one.

    Parameters
    ----------
    temporary : bool
        Whether to yield files that are being written as well.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # usually, it does not exist
        return
    for entry in entries:
        is_temporary = entry.name.startswith(TEMPORARY_PREFIX)
        if not (entry.name.endswith(SUFFIX) or (temporary and is_temporary)):
            continue
        with suppress(OSError):  # it is gone
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield _File(Path(entry.path), status.st_size, status.st_mtime)
            elif not stat.S_ISDIR(status.st_mode):
                _drop(Path(entry.path), "it is not a regular file")


def _opened(path: Path) -> BinaryIO:
    """Open a file of a prompt, but neither a pipe nor a link."""
    if path.is_symlink():
        raise _Damaged("it is a link")
    return os.fdopen(open_regular(path), "rb")


def _read_header(file: BinaryIO) -> PromptHeader:
    """Return the header of an open file, which is then at the start of its state.

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
        header = msgspec.msgpack.decode(encoded, type=PromptHeader)
    except msgspec.DecodeError as error:
        raise _Damaged(str(error)) from None
    if os.fstat(file.fileno()).st_size != file.tell() + header.state_bytes + _DIGEST:
        raise _Damaged("it is incomplete")
    return header


def _write_state(file: BinaryIO, state: memoryview, deadline: float) -> None:
    digest = hashlib.sha256()
    for start in range(0, len(state), CHUNK):
        _check_time(deadline)
        chunk = state[start : start + CHUNK]
        digest.update(chunk)
        _write_all(file, chunk)
    _write_all(file, digest.digest())


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TimeoutError("there was no time to write them all")


def _write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _drop(path: Path, reason: object) -> None:
    log.warning("Removed the warm prompt %s: %s", path, reason)
    with suppress(OSError):
        path.unlink()


def prompt_key(parts: Sequence[object]) -> str:
    """Return the name of the folder for states that depend on `parts`."""
    return hashlib.sha256(msgspec.json.encode(list(parts))).hexdigest()[:32]
