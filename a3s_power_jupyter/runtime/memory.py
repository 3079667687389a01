"""Measure the memory that is free, and limit what a worker may take."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from ..contract.types import Manifest, MemoryUse

#: Least default of the memory that a worker may use beyond the estimate.
MIN_HEADROOM_BYTES = 2 * 1024**3

#: Largest default of the memory for warm conversations of a model.
MAX_PROMPT_CACHE_BYTES = 4 * 1024**3

#: Mount point of cgroup v2, which limits the memory of a container.
CGROUP = Path("/sys/fs/cgroup")


def headroom_bytes(manifest: Manifest, use: MemoryUse, setting: int | None) -> int:
    """Return the bytes that a worker may use beyond its estimate; 0 for no limit.

    A load into transformers may hold the weights as stored and as loaded. Its caches may have up to
    32 bits, and are copied when requests join and leave.

    Parameters
    ----------
    setting : int or None
        The setting `memory_headroom`; None for a quarter of the machine's memory, but at least
        `MIN_HEADROOM_BYTES`.
    """
    if setting == 0:
        return 0
    headroom = max(total_bytes() // 4, MIN_HEADROOM_BYTES) if setting is None else setting
    if manifest.format == "gguf":
        return headroom
    return headroom + manifest.size_bytes + 4 * use.cache


def prompt_cache_bytes(setting: int | None, spare: int) -> int:
    """Return the bytes of memory for the warm conversations of a model.

    Parameters
    ----------
    setting : int or None
        The setting `prompt_cache`; None for an eighth of `spare`, at most `MAX_PROMPT_CACHE_BYTES`.
    spare : int
        Bytes that are free once the model is loaded.
    """
    if setting is not None:
        return setting
    return max(0, min(spare // 8, MAX_PROMPT_CACHE_BYTES))


def total_bytes() -> int:
    """Return the memory of the machine, or of the container if that is limited."""
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        return min(total, int((CGROUP / "memory.max").read_text()))
    return total


def free_bytes() -> int:
    """Return the bytes available without swapping, within the limit of the container."""
    free = int(psutil.virtual_memory().available)
    limit = _cgroup_free()
    return free if limit is None else min(free, limit)


def _cgroup_free() -> int | None:
    """Return the bytes left of the cgroup v2 limit, counting inactive page cache as free."""
    with suppress(OSError, ValueError):
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(stat.get("inactive_file", 0)))
    return None
