"""Eviction as a pure function: who has to go so that a newcomer has room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """What the policy knows of a model that is loaded, or being loaded.

    `busy` counts requests that use it or wait for it; `memory` is in bytes, `last_used` in
    seconds of any clock.
    """

    name: str
    memory: int
    last_used: float
    busy: bool
    pinned: bool


@dataclass(frozen=True)
class Fits:
    """There is room now."""


@dataclass(frozen=True)
class Evict:
    """There is room once these are unloaded."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """There is room once models that are busy now are not."""


@dataclass(frozen=True)
class Refuse:
    """There will be no room: every place is pinned, or the machine is too small."""

    memory: bool


Decision = Fits | Evict | Wait | Refuse


def decide(candidates: Iterable[Candidate], *, need: int, free: int, max_models: int) -> Decision:
    """Decide how a newcomer gets room.

    Parameters
    ----------
    need : bytes that the newcomer takes.
    free : bytes that are free now.
    max_models : how many may be loaded at once; 0 is no limit.
    """
    candidates = list(candidates)
    excess = len(candidates) + 1 - max_models if max_models else 0
    missing = need - free
    if excess <= 0 and missing <= 0:
        return Fits()
    movable = sorted((p for p in candidates if not p.pinned), key=lambda p: (p.busy, p.last_used))
    victims: list[Candidate] = []
    for candidate in movable:
        if len(victims) >= excess and _sum(victims) >= missing:
            break
        victims.append(candidate)
    if len(victims) < excess:
        return Refuse(memory=False)
    if _sum(victims) < missing:
        return Refuse(memory=True)
    if any(candidate.busy for candidate in victims):
        return Wait()
    return Evict(tuple(candidate.name for candidate in victims))


def _sum(candidates: list[Candidate]) -> int:
    return sum(candidate.memory for candidate in candidates)
