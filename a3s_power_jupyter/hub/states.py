"""Read and write the state of each pull on disk.

The server that runs a pull holds the lock of its state file. A state that says ``pulling`` and is
not locked was left by a server that was killed: that pull is paused.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from ..contract.errors import (
    FileChanged,
    FileNotFound,
    ModelNotFound,
    NotAFile,
    PathUnreadable,
    StoreUnavailable,
)
from ..contract.regular_file import read_regular
from ..contract.types import Manifest, PullRequest, PullStatus
from ..store.directories import directory_entries
from ..store.files import write_atomically
from ..store.garbage import PULLS
from ..store.locks import ProcessLock, is_locked
from ..store.model_store import ModelStore
from ..store.os_errors import reading_store, writing
from ..store.schema import SCHEMA, newer_schema
from .transfer.partial_state import (
    MAX_SIZE,
    PartialState,
    bytes_on_disk,
    check_schema,
    discard,
)

S = TypeVar("S")

#: Seconds that a thread waits for another one that writes the state to a disk that hangs.
SAVE_TIMEOUT = 20.0


class PullState(msgspec.Struct, frozen=True, tag_field="kind", tag="pull"):
    """What is needed to resume a pull after a restart, without the token.

    Attributes
    ----------
    status : PullStatus
        Last known status.
    revision : str or None
        Revision of the request.
    commit : str or None
        The commit that the downloaded bytes belong to, once known.
    schema : int
        Version of the file format.
    """

    status: PullStatus
    revision: str | None = None
    commit: str | None = None
    schema: int = SCHEMA


class _AnyState(msgspec.Struct, frozen=True):
    kind: str = ""


class PullStates:
    """The states of all pulls of a home. The methods block.

    Methods that read raise the errors of `store.os_errors.reading_store`, and methods that write
    those of `writing`. A state that cannot be read is logged once, and hides no other.
    """

    def __init__(self, home: Path, log: logging.Logger) -> None:
        self._home = home
        self._log = log
        self._reported: dict[Path, str] = {}

    def read(self, name: str) -> PullState | None:
        """Return the state of the pull of a model; None if there is none.

        Raises
        ------
        ManifestUnreadable
            If a newer version wrote the state, which a pull would replace.
        """
        path = self._path(name)
        with reading_store(self._home):
            if path not in self._paths():
                return None
            check_schema(path)
            return self._read(path)

    def read_all(self) -> list[PullState]:
        """Return all states, sorted by name."""
        with reading_store(self._home):
            states = map(self._read, self._paths())
            return sorted(filter(None, states), key=lambda state: state.status.name)

    def write(self, state: PullState) -> None:
        with writing(self._home):
            write_atomically(self._path(state.status.name), msgspec.json.encode(state))

    def write_locked(self, state: PullState, lock: ProcessLock) -> None:
        """Write the state and keep `lock`, unless another server holds the lock of this pull."""
        with writing(self._home):
            if lock.acquire():
                self.write(state)

    def remove(self, name: str) -> None:
        with writing(self._home):
            self._path(name).unlink(missing_ok=True)

    def cancel(self, status: PullStatus, keep_partial: bool) -> PullStatus:
        """Write that a pull is cancelled, discard its bytes unless kept, and return its status."""
        status = status.ended("cancelled")
        if not keep_partial:
            discard(self._home, status.name)
            status = msgspec.structs.replace(status, completed=0)
        state = self.read(status.name)
        if state is not None:
            commit = state.commit if keep_partial else None
            self.write(msgspec.structs.replace(state, status=status, commit=commit))
        return status

    def lock(self, name: str) -> ProcessLock:
        """Return the lock, not yet acquired, that the server running the pull of `name` holds."""
        return ProcessLock(self._lock_path(name))

    def _read(self, path: Path) -> PullState | None:
        state = self._decode(path, PullState)
        if state is None or state.status.status != "pulling":
            return state
        name = state.status.name
        if is_locked(self._lock_path(name)):
            return state
        # The partial files are newer than the state.
        on_disk = sum(bytes_on_disk(self._home, url) for url in self._partial_urls(name))
        paused = msgspec.structs.replace(
            state.status.ended("paused"), completed=max(state.status.completed, on_disk)
        )
        return msgspec.structs.replace(state, status=paused)

    def _decode(self, path: Path, kind: type[S]) -> S | None:
        """Return the content of `path` if it is of this kind."""
        try:
            text = read_regular(path, MAX_SIZE)
            newer = newer_schema(text)
            if newer:
                self._report(path, f"cannot be read: {newer}.")
                return None
            is_pull = msgspec.json.decode(text, type=_AnyState).kind == "pull"
            return msgspec.json.decode(text, type=kind) if is_pull == (kind is PullState) else None
        except FileNotFoundError:
            return None
        except (
            OSError,
            NotAFile,
            PathUnreadable,
            msgspec.DecodeError,
            UnicodeDecodeError,
        ) as error:
            self._report(path, f"is not a valid state of a pull: {error}")
            return None

    def _report(self, path: Path, problem: str) -> None:
        """Log a problem of a file once, because events read the states every few seconds."""
        if self._reported.get(path) != problem:
            self._reported[path] = problem
            self._log.warning("Power: %s %s", path, problem)

    def _partial_urls(self, name: str) -> list[str]:
        """Return the URLs of the incomplete files of a model."""
        states = (self._decode(path, PartialState) for path in self._paths())
        return [state.url for state in states if state is not None and name in state.names]

    def _paths(self) -> list[Path]:
        with directory_entries(self._home / PULLS) as entries:
            return [Path(entry.path) for entry in entries if entry.name.endswith(".json")]

    def _path(self, name: str) -> Path:
        return self._home / PULLS / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _lock_path(self, name: str) -> Path:
        return self._path(name).with_suffix(".lock")


class StateSaver:
    """Writes the states of one pull, one thread at a time, and holds the lock of the pull.

    A thread continues when the task that awaits it is cancelled, so the last state is marked:
    nothing is written after it.
    """

    def __init__(self, states: PullStates, name: str) -> None:
        self._states = states
        self._name = name
        self._lock = states.lock(name)
        self._saving = threading.Lock()
        self._closed = False

    def save(self, state: PullState, *, last: bool) -> None:
        """Write the state, unless another server on this home runs the same pull and keeps it.

        Raises
        ------
        InsufficientDisk, StoreUnavailable
            If the state cannot be written.
        """
        if not self._saving.acquire(timeout=SAVE_TIMEOUT):
            raise StoreUnavailable(
                f"The state of the pull of {self._name} is still being written after "
                f"{SAVE_TIMEOUT:g} seconds. Check the disk of the model store."
            )
        try:
            if not self._closed:
                self._closed = last
                self._states.write_locked(state, self._lock)
        finally:
            if last:
                self._lock.release()
            self._saving.release()


def initial_state(name: str, request: PullRequest, earlier: PullState | None) -> PullState:
    """Return the state at the start of a pull, which resumes an earlier one if it can."""
    status = PullStatus(name=name, status="pulling", started_at=time.time())
    if (
        earlier is None
        or earlier.status.status == "done"
        or earlier.revision != request.revision
        or request.force
    ):
        return PullState(status, request.revision)
    old = earlier.status
    status = msgspec.structs.replace(
        status, completed=old.completed, total=old.total, note=old.note, files=old.files
    )
    return PullState(status, request.revision, earlier.commit)


class Existing(NamedTuple):
    """What is on disk for a name: its model, whether that is usable, and its last pull."""

    manifest: Manifest | None
    is_usable: bool
    state: PullState | None


def find_existing(store: ModelStore, states: PullStates, name: str) -> Existing:
    """Return what is on disk for a name.

    Raises
    ------
    ManifestUnreadable
        If the model's manifest cannot be read.
    """
    state = states.read(name)
    try:
        manifest = store.get(name)
    except ModelNotFound:
        return Existing(None, False, state)
    try:
        store.resolve(manifest)
    except (FileNotFound, FileChanged):
        # A pull repairs a model that was pulled. A model that the user registered stays as it is.
        return Existing(manifest, manifest.source.reference is UNSET, state)
    return Existing(manifest, True, state)
