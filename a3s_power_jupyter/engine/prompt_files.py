"""Keep the states of earlier requests on disk while their model is unloaded.

A model's folder, which `store/prompts.py` names, has a folder for each set of load parameters and
library versions, and that has a file for each state, in the format of `prompt_format.py`.

Several servers may use the same folders: files appear by renaming, and may be gone at any moment.
The modification time of a file is the time at which its state was last used.
"""

from __future__ import annotations

import hashlib
import logging
import os
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..contract.errors import PowerError
from ..store.directories import make_directory
from ..store.files import create_file, temporary_path
from .prompt_cache import Checkpoint, Entry, is_prefix, token_array
from .prompt_format import (
    MAGIC,
    MAX_HEADER,
    Damaged,
    Header,
    SavedState,
    StateHeader,
    check_time,
    encode_header,
    opened,
    read_header,
    write_states,
)
from .prompt_space import PromptFile, Space, prompts_in, remove
from .protocol import PromptCacheSettings

log = logging.getLogger("a3s_power_jupyter.worker")

#: Files of one folder that are read at a load. Their headers have about 6 bytes for each token.
MAX_FILES = 256


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

    @classmethod
    def of(
        cls, settings: PromptCacheSettings | None, engine: str, *fits: object
    ) -> PromptFiles | None:
        """Return the files of a model, of which `fits` are further parts; None to keep none."""
        if settings is None or not settings.directory or not settings.memory_bytes:
            return None
        parts = (engine, settings.weights, *fits)
        return cls(Path(settings.directory), settings.disk_bytes, parts)

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
            except (PowerError, Damaged) as error:
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
        with opened(file.path) as content:
            header = read_header(content)
        if header.key != self._key:
            raise Damaged("it belongs to another model")
        return _entry(file.path, header, file.used)

    def _write(self, entry: Entry[Any], space: Space, deadline: float) -> bool:
        """Write an entry, unless it has a file or there is no room for it."""
        check_time(deadline)
        states = _states(entry)
        header = _header(self._key, entry, states)
        path = self._folder / header.filename
        with suppress(FileNotFoundError):
            os.utime(path, (entry.used, entry.used))
            return False
        start = encode_header(header)
        size = len(start) + header.size
        if len(start) > MAX_HEADER or not space.make(size, entry.used):
            log.warning(
                "There is no room for a warm prompt of %s bytes: see PowerApp.prompt_cache_disk, "
                "and the free space of the disk",
                f"{size:,}",
            )
            return False
        temporary = temporary_path(self._folder)
        try:
            with os.fdopen(create_file(temporary), "wb", buffering=0) as file:
                write_states(file, start, states, deadline)
            os.utime(temporary, (entry.used, entry.used))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        space.add(path, size, entry.used)
        self._remove_prefixes(entry, space, path)
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
        raise Damaged(str(error)) from None
    if not len(tokens) == len(positions) == last.n_tokens:
        raise Damaged("its header contradicts itself")
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
