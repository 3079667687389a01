"""Partials that a model does not want any more."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...store.garbage import PULLS
from .partial import (
    PartialPaths,
    PartialState,
    content_lock,
    present,
    read_state,
    write_state,
)


def discard(home: Path, name: str) -> int:
    """Remove the partials that only the model `name` wanted.

    One that another process is working on stays, and so does one that another model wants.

    Returns
    -------
    int
        Bytes freed.
    """
    states = filter(None, map(read_state, (home / PULLS).glob("*.json")))
    return sum(_discard(home, state, name) for state in states if name in state.names)


def _discard(home: Path, seen: PartialState, name: str) -> int:
    lock = content_lock(home, seen.url, seen.sha256)
    if not lock.acquire():
        return 0
    try:
        paths = PartialPaths(home, seen.url)
        state = read_state(paths.state)
        if state is None:
            return 0
        others = tuple(other for other in state.names if other != name)
        if others:
            write_state(paths.state, msgspec.structs.replace(state, names=others))
            return 0
        freed = sum(end - start for start, end in present(paths, state))
        paths.remove()
        return freed
    finally:
        lock.release()
