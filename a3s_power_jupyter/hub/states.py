"""What is kept of pulls: one file each, beside the states of the files they download.

A pull that runs holds a lock for its name, which ends with its process. So a state that says
``pulling``, and that nobody holds, was left by a server that died: the pull is paused.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from filelock import FileLock, Timeout
from msgspec import UNSET, UnsetType

from ..contract.errors import FileNotFound
from ..contract.types import PullStatus
from ..store.files import reading, write_atomically, writing
from ..store.garbage import PULLS
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

    def remove(self, name: str) -> None:
        with writing(self._home):
            self._path(name).unlink(missing_ok=True)

    def claim(self, name: str) -> Claim:
        """For whoever runs the pull of `name`; it is not taken yet."""
        return Claim(self._home, self._path(name).with_suffix(".lock"))

    def is_claimed(self, name: str) -> bool:
        """Whether a server runs the pull, this one or another on the same home."""
        claim = self.claim(name)
        if not claim.path.exists():
            return False
        free = claim.take()
        claim.release()
        return not free

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
        if status.status != "pulling" or self.is_claimed(status.name):
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


class Claim:
    """The right to write the state of a pull; of several servers that run it, one has it."""

    def __init__(self, home: Path, path: Path) -> None:
        self.path = path
        self._home = home
        # Taken in one thread and released in another.
        self._lock = FileLock(path, thread_local=False)

    def take(self) -> bool:
        """Take it, if it is free; whether it is ours."""
        if not self._lock.is_locked:
            with writing(self._home):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._lock.acquire(blocking=False)
                except Timeout:
                    return False
        return True

    def release(self) -> None:
        if not self._lock.is_locked:
            return
        # While it is held: whoever opened the file before finds it gone and tries again.
        # Windows cannot remove a file that is open; an empty one stays there.
        if sys.platform != "win32":
            self.path.unlink(missing_ok=True)
        self._lock.release()


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
