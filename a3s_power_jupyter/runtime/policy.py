"""Choose the models to evict for a newcomer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A model that is loaded, loading or unloading.

    Attributes
    ----------
    name : str
        Name of the model.
    memory : int
        Estimated size in memory, in bytes; counts against `room`.
    frees : int
        Bytes that become free when it is unloaded: its size, and what its requests and its prompt
        cache have taken beyond that.
    gpu : int
        Bytes of GPU memory that become free when it is unloaded.
    last_used : float
        Time of the last use, in seconds on any clock.
    busy : bool
        Whether the model cannot be evicted now, because it has requests or is not ready.
    pinned : bool
        Whether the model must never be evicted.
    """

    name: str
    memory: int
    frees: int
    last_used: float
    busy: bool
    pinned: bool
    gpu: int = 0


@dataclass(frozen=True)
class Fits:
    """The newcomer can be loaded now."""


@dataclass(frozen=True)
class Evict:
    """The newcomer can be loaded once these models are unloaded."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """The newcomer can be loaded once busy models become idle."""


@dataclass(frozen=True)
class Refuse:
    """The newcomer cannot be loaded.

    Attributes
    ----------
    out_of_memory : bool
        True if there is too little memory, False if all models are pinned.
    """

    out_of_memory: bool


Decision = Fits | Evict | Wait | Refuse


def decide(
    candidates: Iterable[Candidate],
    *,
    need: int,
    free: int,
    room: float,
    max_models: int,
    gpu_missing: int = 0,
) -> Decision:
    """Decide how to make room for a newcomer.

    The least recently used models are evicted first. No idle model is evicted while the newcomer
    would have to wait for a busy one as well.

    Parameters
    ----------
    candidates : iterable of Candidate
        All models except the newcomer.
    need : int
        Bytes that the newcomer needs.
    free : int
        Bytes that are free now; may be negative.
    room : float
        Bytes that a limit on the sizes of all models leaves; may be negative. Infinite without one.
    max_models : int
        Largest number of loaded models; 0 means no limit.
    gpu_missing : int
        Bytes of GPU memory that the newcomer lacks. Models that are idle make room for it. What is
        missing then runs on the CPU: the newcomer neither waits for GPU memory nor is refused.

    Returns
    -------
    Fits, Evict, Wait or Refuse
    """
    candidates = list(candidates)
    excess = len(candidates) + 1 - max_models if max_models else 0
    missing = need - free
    over = need - room
    evictable = sorted((c for c in candidates if not c.pinned), key=lambda c: (c.busy, c.last_used))
    victims: list[Candidate] = []
    for candidate in evictable:
        if len(victims) >= excess and _frees(victims) >= missing and _memory(victims) >= over:
            break
        victims.append(candidate)
    if not any(candidate.busy for candidate in victims):
        victims += _on_gpu(evictable, victims, gpu_missing)
    if not victims and excess <= 0 and missing <= 0 and over <= 0:
        return Fits()
    if len(victims) < excess:
        return Refuse(out_of_memory=False)
    if _frees(victims) < missing or _memory(victims) < over:
        return Refuse(out_of_memory=True)
    if any(candidate.busy for candidate in victims):
        return Wait()
    return Evict(tuple(candidate.name for candidate in victims))


def _on_gpu(evictable: list[Candidate], victims: list[Candidate], missing: int) -> list[Candidate]:
    """Return further idle models whose GPU memory is needed."""
    missing -= sum(candidate.gpu for candidate in victims)
    more: list[Candidate] = []
    for candidate in evictable:
        if missing <= 0:
            break
        if candidate.gpu and not candidate.busy and candidate not in victims:
            more.append(candidate)
            missing -= candidate.gpu
    return more


def _frees(candidates: list[Candidate]) -> int:
    return sum(candidate.frees for candidate in candidates)


def _memory(candidates: list[Candidate]) -> int:
    return sum(candidate.memory for candidate in candidates)
