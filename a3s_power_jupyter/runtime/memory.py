"""Estimate the memory that a model needs, and measure the memory that is free."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
from msgspec import UNSET

from ..contract.parameters import LoadParameters
from ..contract.types import Manifest

#: Bytes per element of the KV cache. Quantized types store a 2-byte scale for 32 elements.
_KV_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}

#: Bits per weight of each ISQ kind, including scales and the matrices that keep more bits.
_ISQ_BITS = {"Q4_0": 5.0, "Q4K": 5.5, "Q6K": 7.0, "Q8_0": 8.5, "HQQ4": 5.5, "HQQ8": 9.5}

#: Memory of the interpreter, the libraries and llama.cpp's compute buffers, measured with a small
#: model. Compute buffers grow with the width of the model, hence the share of the weights.
OVERHEAD_BYTES = 200 * 1024 * 1024
OVERHEAD_SHARE = 0.05

#: Least default of the memory that a worker may use beyond the estimate.
MIN_HEADROOM_BYTES = 2 * 1024**3

#: Largest default of the memory for warm conversations of a model.
MAX_PROMPT_CACHE_BYTES = 4 * 1024**3

#: Mount point of cgroup v2, which limits the memory of a container.
CGROUP = Path("/sys/fs/cgroup")


def kv_cache_bytes(manifest: Manifest, parameters: LoadParameters) -> int:
    """Return the size of the KV cache in bytes, or 0 if the model's geometry is unknown.

    The size is tokens * layers * kv_heads * (key_length + value_length) * bytes per element.
    """
    geometry = manifest.geometry
    if geometry is UNSET:
        return 0
    tokens = parameters.context_length(manifest.context_length or 0)
    if parameters.num_parallel is not UNSET:
        tokens *= parameters.num_parallel
    kind = "f16" if parameters.kv_cache_type is UNSET else parameters.kv_cache_type
    width = geometry.kv_heads * (geometry.key_length + geometry.value_length)
    return int(tokens * geometry.layers * width * _KV_BYTES[kind])


def needed_bytes(manifest: Manifest, parameters: LoadParameters) -> int:
    """Return the estimated size of a loaded model in bytes: weights, KV cache and overhead."""
    weights = weight_bytes(manifest, parameters)
    overhead = OVERHEAD_BYTES + int(weights * OVERHEAD_SHARE)
    return weights + kv_cache_bytes(manifest, parameters) + overhead


def weight_bytes(manifest: Manifest, parameters: LoadParameters) -> int:
    """Return the size of the loaded weights in bytes: as on disk, or after quantization on load."""
    count = manifest.details.parameter_count
    bits = _ISQ_BITS.get(str(parameters.isq))
    if bits is None or count is UNSET or manifest.format == "gguf":
        return manifest.size_bytes
    return min(manifest.size_bytes, int(count * bits / 8))


def headroom_bytes(manifest: Manifest, parameters: LoadParameters, setting: int | None) -> int:
    """Return the bytes that a worker may use beyond `needed_bytes`; 0 for no limit.

    A load into transformers may hold the weights as stored and as loaded. Its caches grow with the
    requests in up to four slots, in up to 32 bits, and are copied when requests join and leave.

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
    return headroom + manifest.size_bytes + 16 * kv_cache_bytes(manifest, parameters)


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
