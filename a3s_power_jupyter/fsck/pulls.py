"""Check the states of pulls, their incomplete files and their locks."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from ..contract.errors import PowerError
from ..contract.regular_file import read_regular
from ..hub.states import PullState
from ..hub.transfer.partial_state import MAX_SIZE, PartialPaths, PartialState, present_ranges
from ..store.files import TEMPORARY_PREFIX, file_size, is_sha256
from ..store.garbage import PULLS
from ..store.locks import is_locked
from ..store.model_store import ModelStore
from ..store.schema import newer_schema
from .finding import (
    Finding,
    Repair,
    cannot_read,
    foreign,
    is_there,
    leftover,
    phrase,
    remove,
)

if sys.platform != "win32":
    import fcntl


def check_pulls(store: ModelStore) -> Iterator[Finding]:
    """Find states that cannot be read or have no bytes, and what pulls left behind."""
    folder = store.home / PULLS
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return  # there is none, or it cannot be read, which `check_store` reports
    for path in paths:
        try:
            yield from _check(store, path)
        except OSError as error:
            yield cannot_read(path, error)


def _check(store: ModelStore, path: Path) -> Iterator[Finding]:
    size = file_size(path)
    if not is_sha256(path.stem):
        if _is_foreign(path):
            yield foreign(path)
    elif path.suffix == ".json":
        yield from _check_state(store, path)
    elif path.suffix == ".lock" and size is not None:
        yield _check_lock(path)
    elif path.suffix in (".ranges", ".tmp") and _is_alone(path):
        reason = "This download has no state any more, so its ranges are not needed."
        yield leftover(path, reason, partial(_remove_ranges, path), size or 0)
    elif (path.suffix != ".ranges" or size is None) and _is_foreign(path):
        yield foreign(path)


def _check_state(store: ModelStore, path: Path) -> Iterator[Finding]:
    try:
        text = read_regular(path, MAX_SIZE)
    except FileNotFoundError:
        if path.is_symlink():
            yield foreign(path)
        return  # else the pull has ended meanwhile
    except (OSError, PowerError) as error:
        yield Finding(
            "problem",
            path,
            f"The state of a pull cannot be read: {phrase(error)}.",
            "Make it a file that this user can read, or remove it.",
        )
        return
    newer = newer_schema(text)
    if newer:
        reason = f"The state of a pull cannot be read: {newer}."
        yield Finding("problem", path, reason, "The file is left alone.")
        return
    try:
        state = msgspec.json.decode(text, type=PullState | PartialState)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield Finding(
            "problem",
            path,
            f"The state of a pull is damaged: {error}. What it downloaded cannot be used.",
            repair=Repair(
                partial(_remove_damaged, store.home, path, text),
                "remove it with the bytes of its download",
                "It was removed with the bytes of its download.",
            ),
            size=_partial_size(store.home, path.stem),
        )
        return
    if isinstance(state, PullState):
        yield from _check_pull(path, state)
    else:
        yield from _check_partial(store.home, path, state)


def _check_pull(path: Path, state: PullState) -> Iterator[Finding]:
    name = state.status.name
    if path.stem != hashlib.sha256(name.encode()).hexdigest():
        reason = f"This is the state of the pull of {name!r}, but not under its name."
        yield leftover(path, reason, partial(remove, path), file_size(path) or 0)
    elif state.status.status == "pulling" and not _is_held(path.with_suffix(".lock")):
        reason = f"The server that was pulling {name} has ended. The pull is paused."
        yield Finding("note", path, reason, f"Pull {name} again to resume, or cancel the pull.")


def _check_partial(home: Path, path: Path, state: PartialState) -> Iterator[Finding]:
    paths = PartialPaths.of(home, state.url)
    names = " and ".join(state.names)
    if path != paths.state:
        reason = f"This is the state of the download of {state.url}, but not under its name."
        yield leftover(path, reason, partial(remove, path), file_size(path) or 0)
        return
    present = sum(end - start for start, end in present_ranges(paths, state))
    if not present and state.ranges:
        yield Finding(
            "problem",
            path,
            f"The bytes of a download for {names} are gone. The pull starts over.",
            repair=Repair(
                partial(_remove_empty, paths, state), "remove the state", "The state was removed."
            ),
        )
    else:
        reason = f"{present:,} of {state.size:,} bytes of a file for {names} are on disk."
        yield Finding("note", paths.bytes, reason, "A pull goes on from there.")


def _check_lock(path: Path) -> Finding:
    if _is_held(path):
        return Finding("note", path, "A server is pulling.")
    reason = "The process that held this lock has ended. The lock is free."
    return leftover(path, reason, partial(_remove_lock, path))


def _remove_lock(path: Path) -> int:
    is_locked(path)  # taking the lock and releasing it removes the file
    return 0


def _is_held(path: Path) -> bool:
    """Return whether a process holds a lock, without changing anything."""
    if sys.platform == "win32":
        return is_locked(path)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_foreign(path: Path) -> bool:
    """Return whether something is still there, and is no temporary file."""
    return not path.name.startswith(TEMPORARY_PREFIX) and is_there(path)


def _is_alone(path: Path) -> bool:
    """Return whether a regular file has no state beside it."""
    return file_size(path) is not None and not path.with_suffix(".json").exists()


def _remove_ranges(path: Path) -> int:
    return 0 if path.with_suffix(".json").exists() else remove(path)


def _remove_damaged(home: Path, path: Path, text: bytes) -> int:
    if read_regular(path, MAX_SIZE) != text:
        return 0
    freed = _partial_size(home, path.stem)
    PartialPaths(home, path.stem).remove()
    return freed


def _remove_empty(paths: PartialPaths, state: PartialState) -> int:
    if present_ranges(paths, state):
        return 0
    freed = file_size(paths.bytes) or 0
    paths.remove()
    return freed


def _partial_size(home: Path, key: str) -> int:
    return file_size(PartialPaths(home, key).bytes) or 0
