"""Estimates of the memory of a model.

tests/engine/test_memory_estimates.py compares them with llama.cpp.
"""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    Geometry,
    Manifest,
    MemoryUse,
    ModelDetails,
    StoredFile,
)
from a3s_power_jupyter.engine.estimate import (
    GPU_CONTEXT_BYTES,
    count_layers,
    estimate,
    layer_bytes,
    split,
)
from a3s_power_jupyter.store.formats.gguf_geometry import Layer

GB = 10**9
GEOMETRY = Geometry(
    weights=GB, layers=10, width=64, heads=4, cache=1000, vocabulary=100, context_length=100_000
)


def model(**fields: Any) -> Manifest:
    """A model of a billion parameters in 2 GB."""
    defaults = {
        "name": "a",
        "format": "gguf",
        "created": 1,
        "files": (StoredFile("a", 2 * GB, "0" * 64),),
        "details": ModelDetails(parameter_count=GB),
        "capabilities": ("completion",),
    }
    return Manifest(**defaults | fields)


def cache(geometry: Geometry = GEOMETRY, **parameters: Any) -> int:
    return estimate(model(), geometry, LoadParameters(**parameters)).cache


def test_requests_share_the_cache() -> None:
    assert cache() == 8192 * 1000 * 2
    assert cache(num_ctx=1024) == cache(num_ctx=1024, num_parallel=64) == 1024 * 1000 * 2
    assert cache(num_ctx=1000) == 1024 * 1000 * 2  # llama.cpp allocates whole blocks


@pytest.mark.parametrize(("kind", "size"), [("f32", 4), ("q8_0", 34 / 32), ("q4_0", 18 / 32)])
def test_the_cache_depends_on_its_type(kind: str, size: float) -> None:
    assert cache(num_ctx=1024, kv_cache_type=kind) == 1024 * 1000 * size


def test_windows_and_states_are_kept_for_each_request() -> None:
    windows = Geometry(window=512, window_cache=1000, context_length=100_000)
    assert cache(windows, num_parallel=1) == (512 + 256) * 1000 * 2
    assert cache(windows, num_parallel=4) == cache(windows) == (4 * 512 + 256) * 1000 * 2
    assert cache(windows, num_ctx=1024) == 1024 * 1000 * 2  # never more than the context
    states = Geometry(state=1000, layer_state=100, context_length=100_000)
    assert cache(states, num_parallel=8) == 2 * cache(states) == 8 * 1000 * 4


def test_an_embedding_model_has_buffers_for_the_longest_text() -> None:
    manifest = model(capabilities=("embeddings",))
    found = estimate(manifest, Geometry(vocabulary=1000, context_length=1500), LoadParameters())
    assert (found.cache, found.buffers) == (0, 2048 * (2 * 2048 + 4 * 1000))


def test_a_causal_embedding_model_reads_texts_in_parts() -> None:
    """Its cache has room for shorter texts beside the longest one."""
    geometry = Geometry(vocabulary=1000, cache=100, context_length=1500)
    found = estimate(model(capabilities=("embeddings",)), geometry, LoadParameters())
    assert (found.cache, found.buffers) == (3072 * 100 * 2, 256 * (2 * 3072 + 4 * 1000))


def test_logits_are_kept_for_each_request() -> None:
    large = Geometry(vocabulary=10**6)
    one, many = (
        estimate(model(), large, LoadParameters(num_ctx=16, num_parallel=n)).buffers
        for n in (1, 64)
    )
    # Computed, for at least 32 tokens of a prompt with scores, and copied for the samplers.
    assert one == (32 + 1) * 4 * 10**6
    assert many == (64 + 64) * 4 * 10**6


@pytest.mark.parametrize(
    ("manifest", "isq", "expected"),
    [
        (model(format="safetensors"), "none", 2 * GB),
        (model(format="safetensors"), "Q8_0", 8.5 / 8 * GB),
        (model(format="safetensors"), "HQQ4", 5.5 / 8 * GB),
        (model(format="safetensors", details=ModelDetails()), "Q8_0", 2 * GB),
    ],
    ids=["as stored", "Q8_0", "HQQ4", "unknown count"],
)
def test_quantized_weights_are_smaller(manifest: Manifest, isq: str, expected: float) -> None:
    parameters = LoadParameters(isq=isq)
    assert estimate(manifest, Geometry(), parameters).weights == expected


def test_transformers_has_a_full_cache_for_each_request() -> None:
    manifest = model(format="safetensors", details=ModelDetails(quantization="BF16"))
    parameters = LoadParameters(isq="none", num_ctx=100)
    assert estimate(manifest, GEOMETRY, parameters).cache == 4 * 100 * 1000 * 2
    one = LoadParameters(isq="none", num_ctx=100, num_parallel=1)
    assert estimate(manifest, GEOMETRY, one).cache == 100 * 1000 * 2


def test_layers_on_a_gpu() -> None:
    layers = [Layer(10 * GB, 1000, 0, 0), Layer(GB, 0, 500, 50)]
    geometry = Geometry(window=10, window_cache=500, cache=1000, state=50, context_length=100)
    sizes = layer_bytes(layers, geometry, LoadParameters(num_parallel=2))
    assert sizes == [10 * GB + 256 * 1000 * 2, GB + 256 * 500 * 2 + 2 * 50 * 4]


@pytest.mark.parametrize(
    ("free", "layers"), [(100, -1), (65, -1), (64, 3), (40, 2), (25, 1), (19, 0), (0, 0)]
)
def test_the_last_layers_are_the_first_on_a_gpu(free: int, layers: int) -> None:
    assert count_layers([20, 15, 10], output=10, reserved=10, free=free) == layers


@pytest.mark.parametrize(
    ("layers", "capacity", "host", "gpu"),
    [
        (None, 0, 11, 0),
        (0, 80, 11, 0),
        (None, 80, 3, 10),
        (-1, 80, 3, 10),
        (4, 80, 7, 4),
        (9, 80, 2, 9),
        (99, 80, 3, 10),
    ],
)
def test_the_parts_of_a_model_on_a_gpu(
    layers: int | None, capacity: int, host: int, gpu: int
) -> None:
    """The embedding of 2 GB stays in memory; each GPU process takes a context."""
    use = MemoryUse(weights=8 * GB, cache=GB, buffers=GB, other=GB)
    geometry = Geometry(layers=9, embedding=2 * GB)
    found = split(use, geometry, layers=layers, capacity=capacity * GB)
    context = GPU_CONTEXT_BYTES if gpu else 0
    assert found == (host * GB, gpu * GB + context)


def test_a_model_that_is_larger_than_the_gpu() -> None:
    use = MemoryUse(weights=80 * GB, cache=GB, buffers=GB, other=GB)
    host, gpu = split(use, Geometry(layers=80), layers=None, capacity=24 * GB)
    assert 20 * GB < gpu < 24 * GB
    assert host + gpu == use.total + GPU_CONTEXT_BYTES
