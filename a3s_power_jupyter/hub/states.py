"""What is kept of pulls: one file each, beside the states of the files they download.

A pull that runs holds a lock for its name, which ends with its process. So a state that says
``pulling``, and that nobody holds, was left by a server that died: the pull is paused.
"""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ..contract.errors import FileNotFound
from ..contract.types import PullStatus
from ..store.files import reading, write_atomically, writing
from ..store.garbage import PULLS
from ..store.locks import ProcessLock, is_locked
from .protocol import PullRequest
from .transfer.partial import PartialState, bytes_on_disk

S = TypeVar("S")


class PullState(msgspec.Struct, frozen=True, tag_field="kind", tag="pull"):
    """What a pull needs to go on after a restart; the token is not kept.

    Attributes
    ----------
    reference : as it was asked for.
    revision : as it was asked for.
    commit : what that stood for, once the hub said so.
    """

    status: PullStatus
    reference: str
    revision: str | None = None
    commit: str | None = None


class _AnyState(msgspec.Struct, frozen=True):
    kind: str = ""


class PullStates:
    """The states of one home. Methods are synchronous, and raise what `store.files.writing`
    raises where the home cannot be written."""

    def __init__(self, home: Path, log: logging.Logger) -> None:
        self._home = home
        self._log = log

    def read(self, name: str) -> PullState | None:
        """The state of the pull of `name`, as it is now; None where there was none."""
        return self._read(self._path(name))

    def read_all(self) -> list[PullState]:
        """All of them, by name."""
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

    def lock(self, name: str) -> ProcessLock:
        """Return the lock, not yet acquired, that the server running the pull of `name` holds."""
        return ProcessLock(self._lock_path(name))

    def _read(self, path: Path) -> PullState | None:
        state = self._decode(path, PullState)
        return None if state is None else self._as_it_is(state)

    def _decode(self, path: Path, kind: type[S]) -> S | None:
        """What is in `path`, if it is of that kind."""
        try:
            with reading(path):
                text = path.read_bytes()
            is_pull = msgspec.json.decode(text, type=_AnyState).kind == "pull"
            return msgspec.json.decode(text, type=kind) if is_pull == (kind is PullState) else None
        except FileNotFound:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._log.warning("Power: %s is no state of a pull: %s", path, error)
            return None

    def _as_it_is(self, state: PullState) -> PullState:
        status = state.status
        if status.status != "pulling" or is_locked(self._lock_path(status.name)):
            return state
        status = stopped_status(status, "paused")
        # The state is older than what came last.
        here = sum(bytes_on_disk(self._home, url) for url in self._partials(status.name))
        status = msgspec.structs.replace(status, completed=max(status.completed, here))
        return msgspec.structs.replace(state, status=status)

    def _partials(self, name: str) -> list[str]:
        """URLs of the files that are downloaded for the model `name` and not complete."""
        states = (self._decode(path, PartialState) for path in self._paths())
        return [state.url for state in states if state is not None and name in state.names]

    def _paths(self) -> list[Path]:
        return [*(self._home / PULLS).glob("*.json")]

    def _path(self, name: str) -> Path:
        return self._home / PULLS / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _lock_path(self, name: str) -> Path:
        return self._path(name).with_suffix(".lock")


def first_state(request: PullRequest, before: PullState | None) -> PullState:
    """The state of a pull that begins, or takes up the one `before`."""
    status = PullStatus(name=request.name, status="pulling", started_at=time.time())
    if before is None:
        return PullState(status, request.reference, request.revision)
    old = before.status
    status = msgspec.structs.replace(
        status, completed=old.completed, total=old.total, note=old.note, files=old.files
    )
    return PullState(status, request.reference, request.revision, before.commit)


def stopped_status(
    status: PullStatus,
    how: Literal["done", "failed", "paused", "cancelled"],
    error: dict[str, Any] | UnsetType = UNSET,
) -> PullStatus:
    """`status` of a pull that no longer runs: without what is only true of one that does."""
    return PullStatus(
        name=status.name,
        status=how,
        started_at=status.started_at,
        completed=status.completed if how != "done" or status.total is UNSET else status.total,
        total=status.total,
        note=status.note,
        files=status.files,
        error=error,
        finished_at=UNSET if how == "paused" else time.time(),
    )
