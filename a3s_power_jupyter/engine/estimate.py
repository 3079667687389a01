"""Estimate the memory of a model from its geometry and its load parameters.

The sizes of llama.cpp are those that it allocates: in ``llama-kv-cache.cpp`` and
``llama-memory-recurrent.cpp``, and for its graphs. `benchmarks/memory.py` compares the estimates
with measurements; docs/memory.md has the results. This module is imported by the server, so it
imports no engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from ..contract.parameters import DEFAULT_NUM_CTX, GGML_KINDS, LoadParameters
from ..contract.types import Geometry, Manifest, MemoryUse
from ..store.formats.gguf import Header
from ..store.formats.gguf_geometry import Layer, output_bytes, read_geometry, read_layers
from . import capacity

MIB = 1 << 20

#: Share of a GPU's free memory that a model may use, and the reserve for the workspaces of its
#: libraries. The context of the process is in use already when the free memory is measured.
GPU_SHARE = 0.95
GPU_RESERVE_BYTES = 256 * MIB

#: GPU memory that each process takes for its context (CUDA: 0.3 to 0.6 GB).
GPU_CONTEXT_BYTES = 512 * MIB

#: Bytes per element of llama.cpp's KV cache. Quantized types store a 2-byte scale for 32 elements.
_KV_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}

#: Bits per weight of each ISQ kind, including scales and the matrices that keep more bits.
_ISQ_BITS = {"Q4_0": 5.0, "Q4K": 5.5, "Q6K": 7.0, "Q8_0": 8.5, "HQQ4": 5.5, "HQQ8": 9.5}

#: Private memory of a worker without a model, and of the process that renders chat templates.
_LLAMACPP_PROCESS = 34 * MIB
_RENDERING_PROCESS = 14 * MIB
_TORCH_PROCESS = 300 * MIB

#: Memory of a tokenizer for each token and each merge, in bytes: in llama.cpp and transformers.
_TEXT_BYTES = 170
_TOKENIZER_BYTES = 500


def runs_on_llamacpp(manifest: Manifest, parameters: LoadParameters) -> bool:
    """Whether llama.cpp runs the model, possibly after a conversion."""
    if manifest.format == "safetensors":
        return parameters.isq in GGML_KINDS
    return manifest.format == "gguf"


def context_length(manifest: Manifest, geometry: Geometry, parameters: LoadParameters) -> int:
    """Return the context length of each request, in tokens, as a loaded model states it."""
    if manifest.format == "huggingface":
        stated = manifest.context_length
        limit = DEFAULT_NUM_CTX if stated is UNSET else stated
        return limit if parameters.num_ctx is UNSET else min(parameters.num_ctx, limit)
    length = parameters.context_length(geometry.context_length)
    return (
        _padded(length) if manifest.generates and runs_on_llamacpp(manifest, parameters) else length
    )


def estimate(
    manifest: Manifest, geometry: Geometry, parameters: LoadParameters, *, gpu: bool = False
) -> MemoryUse:
    """Return the memory that a loaded model takes at its peak, on all devices together.

    That is the private memory of its processes, and the weights that they map from files and read.
    """
    if not runs_on_llamacpp(manifest, parameters):
        return _transformers(manifest, geometry, parameters)
    weights = geometry.weights or _converted_bytes(manifest, parameters)
    if not manifest.generates:
        ranks = "rerank" in manifest.capabilities
        cache, buffers = _embedding(geometry, parameters, whole=ranks, gpu=gpu)
        rendering = 0
    else:
        cache, buffers = generation_memory(geometry, parameters, gpu=gpu)
        rendering = _RENDERING_PROCESS
    return MemoryUse(
        weights=weights + geometry.projector,
        cache=cache,
        buffers=buffers + 4 * geometry.image,
        other=_LLAMACPP_PROCESS + rendering + _TEXT_BYTES * geometry.texts,
    )


def layer_bytes(
    layers: Sequence[Layer], geometry: Geometry, parameters: LoadParameters
) -> list[int]:
    """Return the size of each layer on a GPU: its weights, cache and state."""
    full, window = cells(geometry, parameters, gpu=True)
    requests = requests_of(geometry, parameters)
    return [
        layer.weights
        + kv_bytes(full * layer.cache + window * layer.window_cache, parameters)
        + 4 * requests * layer.state
        for layer in layers
    ]


def layers_that_fit(headers: Sequence[Header], parameters: LoadParameters, free: int) -> int:
    """Return how many layers of a GGUF model fit into `free` bytes of GPU memory; -1 means all."""
    geometry = read_geometry(headers)
    buffers = generation_memory(geometry, parameters, gpu=True)[1]
    return count_layers(
        layer_bytes(read_layers(headers), geometry, parameters),
        output=output_bytes(headers),
        reserved=int(free * (1 - GPU_SHARE)) + GPU_RESERVE_BYTES + buffers,
        free=free,
    )


def count_layers(sizes: Sequence[int], *, output: int, reserved: int, free: int) -> int:
    """Return how many layers fit into `free` bytes; -1 means all.

    llama.cpp puts the output layer on the GPU first, then the last layers.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each layer, see `layer_bytes`.
    output : int
        Bytes of the output layer, which counts as one more layer.
    reserved : int
        Bytes for what does not belong to a layer, such as buffers.
    """
    budget = free - reserved
    if budget >= output + sum(sizes):
        return -1
    count = 0
    for size in (output, *reversed(sizes)):
        budget -= size
        if budget < 0:
            break
        count += 1
    return count


def split(
    use: MemoryUse, geometry: Geometry, *, layers: int | None, capacity: int
) -> tuple[int, int]:
    """Return how much of a model is in the machine's memory, and how much on its GPUs.

    Parameters
    ----------
    layers : int or None
        Layers to put on the GPUs; None for as many as fit, -1 for all.
    capacity : int
        Memory of the GPUs that models may use; 0 without a GPU.
    """
    if not capacity or layers == 0:
        return use.total, 0
    chosen = layers is not None and 0 < layers <= geometry.layers
    share = (layers or 0) / (geometry.layers + 1) if chosen else 1.0
    wanted = int((use.weights + use.cache + use.buffers) * share)
    moved = min(wanted, gpu_budget(capacity))
    # The embedding stays in the machine's memory; the output layer may have a copy of it.
    host = use.total - moved + (0 if chosen else geometry.embedding)
    return min(use.total, host), moved + (GPU_CONTEXT_BYTES if moved else 0)


def gpu_budget(capacity: int) -> int:
    """Return the bytes of a model that `capacity` bytes of free GPU memory have room for."""
    return max(0, int(capacity * GPU_SHARE) - GPU_RESERVE_BYTES - GPU_CONTEXT_BYTES)


def requests_of(geometry: Geometry, parameters: LoadParameters) -> int:
    """Return the number of requests that llama.cpp processes at once."""
    stateful = bool(geometry.state or geometry.window)
    return capacity.llamacpp_requests(parameters, stateful=stateful)


def kv_bytes(elements: int, parameters: LoadParameters) -> int:
    """Return the size of elements of llama.cpp's KV cache in bytes."""
    kind = "f16" if parameters.kv_cache_type is UNSET else parameters.kv_cache_type
    return int(elements * _KV_BYTES[kind])


def cells(geometry: Geometry, parameters: LoadParameters, *, gpu: bool = False) -> tuple[int, int]:
    """Return the tokens in the KV cache of most layers, and of those with a sliding window."""
    context = _padded(parameters.context_length(geometry.context_length))
    if not geometry.window:
        return context, 0
    window = geometry.window * requests_of(geometry, parameters)
    window += _micro_batch(context, geometry, parameters, gpu=gpu)
    return context, _padded(min(context, window))


def generation_memory(
    geometry: Geometry, parameters: LoadParameters, *, gpu: bool
) -> tuple[int, int]:
    """Return the cache and the buffers of llama.cpp's context for text."""
    requests = requests_of(geometry, parameters)
    full, window = cells(geometry, parameters, gpu=gpu)
    cache = kv_bytes(full * geometry.cache + window * geometry.window_cache, parameters)
    cache += 4 * requests * geometry.state
    tokens = _micro_batch(full, geometry, parameters, gpu=gpu)
    masked = (full if geometry.cache else 0) + window
    buffers = _buffers(geometry, parameters, tokens=tokens, masked=masked)
    if parameters.kv_cache_type == "f32":  # flash attention converts the cache of a layer to f16
        buffers += 2 * full * geometry.layer_cache
    logits = 4 * geometry.vocabulary
    computed = capacity.llamacpp_outputs(requests) * logits
    buffers = max(buffers + 4 * requests * geometry.layer_state, computed)
    return cache, buffers + requests * logits


def _embedding(
    geometry: Geometry, parameters: LoadParameters, *, whole: bool, gpu: bool
) -> tuple[int, int]:
    """Return the cache and the buffers of llama.cpp's context for the longest texts.

    Parameters
    ----------
    whole : bool
        Whether each text is computed as a whole, even if the model keeps a cache.
    """
    length = parameters.context_length(geometry.context_length)
    tokens = cells = capacity.embedding_context(length)
    if (geometry.cache or geometry.window_cache or geometry.state) and not whole:
        tokens = min(tokens, capacity.embedding_batch(parameters, gpu=gpu))
        cells = _padded(capacity.embedding_room(cells))
    cache = kv_bytes(cells * (geometry.cache + geometry.window_cache), parameters)
    cache += 4 * capacity.EMBEDDING_REQUESTS * geometry.state
    buffers = _buffers(geometry, parameters, tokens=tokens, masked=cells)
    # llama.cpp allocates logits for all tokens, although no logits are computed.
    return cache, buffers + 4 * tokens * geometry.vocabulary


def _buffers(geometry: Geometry, parameters: LoadParameters, *, tokens: int, masked: int) -> int:
    """Return the intermediate results of `tokens` tokens that attend to `masked` ones."""
    per_token = 4 * geometry.activations + 2 * masked
    if parameters.flash_attention is False:
        per_token += (4 * geometry.heads + 2) * masked
    return tokens * per_token


def _micro_batch(context: int, geometry: Geometry, parameters: LoadParameters, *, gpu: bool) -> int:
    requests = requests_of(geometry, parameters)
    batch = capacity.llamacpp_batch(parameters, requests=requests, gpu=gpu)
    return min(context, batch, capacity.LLAMACPP_MICRO_BATCH)


def _padded(tokens: int) -> int:
    padding = capacity.LLAMACPP_PADDING
    return -(-tokens // padding) * padding


def _converted_bytes(manifest: Manifest, parameters: LoadParameters) -> int:
    """Return the size of weights that are quantized on load."""
    count = manifest.details.parameter_count
    bits = _ISQ_BITS.get(str(parameters.isq))
    if bits is None or count is UNSET:
        return manifest.size_bytes
    return min(manifest.size_bytes, int(count * bits / 8))


def _transformers(manifest: Manifest, geometry: Geometry, parameters: LoadParameters) -> MemoryUse:
    """Return the memory of a model on transformers, with full caches in all slots."""
    bytes_each = 4 if manifest.details.quantization == "F32" else 2
    context = parameters.context_length(geometry.context_length)
    requests = parameters.num_parallel
    if requests is UNSET:
        requests = 1 if manifest.format == "vision" else capacity.TRANSFORMERS_REQUESTS
    cache = requests * context * (geometry.cache + geometry.window_cache) * bytes_each
    embeds = manifest.format == "huggingface"
    if embeds:
        cache = 0
    tokens, rendering = (2048, 0) if embeds else (128, _RENDERING_PROCESS)
    joining = cache if requests > 1 else 0  # caches are copied when requests join
    return MemoryUse(
        weights=_converted_bytes(manifest, parameters),
        cache=cache,
        buffers=4 * tokens * geometry.activations + joining,
        other=_TORCH_PROCESS + rendering + _TOKENIZER_BYTES * geometry.texts,
    )
