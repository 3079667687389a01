"""Estimates of the memory that a model needs, and the measurement of free memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from a3s_power_jupyter.contract.parameters import DEFAULT_NUM_CTX, LoadParameters
from a3s_power_jupyter.contract.types import Geometry, Manifest, ModelDetails, StoredFile
from a3s_power_jupyter.runtime import memory

GEOMETRY = Geometry(layers=10, kv_heads=4, key_length=64, value_length=32)
ELEMENTS_PER_TOKEN = 10 * 4 * (64 + 32)
GB = 10**9


def model(**fields: Any) -> Manifest:
    """A model of a billion parameters in 2 GB."""
    defaults = {
        "name": "a",
        "format": "safetensors",
        "created": 1,
        "files": (StoredFile("a.safetensors", 2 * GB, "0" * 64),),
        "details": ModelDetails(parameter_count=GB),
        "geometry": GEOMETRY,
        "context_length": 1_000_000,
    }
    return Manifest(**defaults | fields)


@pytest.mark.parametrize(
    ("parameters", "tokens", "bytes_per_element"),
    [
        (LoadParameters(), DEFAULT_NUM_CTX, 2),
        (LoadParameters(num_ctx=100), 100, 2),
        (LoadParameters(num_ctx=100, num_parallel=3), 300, 2),
        (LoadParameters(num_ctx=100, kv_cache_type="f32"), 100, 4),
        (LoadParameters(num_ctx=100, kv_cache_type="q8_0"), 100, 34 / 32),
    ],
)
def test_the_kv_cache_depends_on_tokens_and_type(
    parameters: LoadParameters, tokens: int, bytes_per_element: float
) -> None:
    expected = tokens * ELEMENTS_PER_TOKEN * bytes_per_element
    assert memory.kv_cache_bytes(model(), parameters) == expected


def test_the_default_context_is_not_longer_than_the_model_supports() -> None:
    size = memory.kv_cache_bytes(model(context_length=128), LoadParameters())
    assert size == 128 * ELEMENTS_PER_TOKEN * 2


def test_the_kv_cache_of_an_unknown_geometry_is_not_counted() -> None:
    manifest = Manifest("a", "gguf", created=1)
    assert memory.kv_cache_bytes(manifest, LoadParameters()) == 0


@pytest.mark.parametrize(
    ("manifest", "isq", "expected"),
    [
        (model(), "none", 2 * GB),
        (model(), "Q8_0", 8.5 / 8 * GB),
        (model(), "HQQ4", 5.5 / 8 * GB),
        (model(format="gguf"), "Q8_0", 2 * GB),
        (model(details=ModelDetails()), "Q8_0", 2 * GB),
        (model(details=ModelDetails(parameter_count=8 * GB)), "Q8_0", 2 * GB),
    ],
    ids=["as stored", "Q8_0", "HQQ4", "GGUF", "unknown count", "never more than stored"],
)
def test_quantized_weights_are_smaller(manifest: Manifest, isq: str, expected: float) -> None:
    parameters = LoadParameters(isq=isq)  # type: ignore[arg-type]
    assert memory.weight_bytes(manifest, parameters) == expected


def test_a_model_needs_its_weights_its_cache_and_an_overhead() -> None:
    parameters = LoadParameters(num_ctx=100)
    weights, cache = 2 * GB, 100 * ELEMENTS_PER_TOKEN * 2
    overhead = memory.OVERHEAD_BYTES + weights * memory.OVERHEAD_SHARE
    assert memory.needed_bytes(model(), parameters) == weights + cache + overhead


@pytest.mark.parametrize(("limit", "expected"), [("1000", 500), ("90000", 5000), ("max", 5000)])
def test_free_memory_is_limited_by_the_cgroup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, expected: int
) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    assert memory.free_bytes() == expected


@pytest.mark.parametrize(
    ("total", "limit", "expected"),
    [(64, "max", 16), (64, str(32 * 2**30), 8), (4, "max", 2)],
    ids=["a quarter", "a quarter of the container", "at least 2 GiB"],
)
def test_the_default_headroom_depends_on_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, total: int, limit: str, expected: int
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total * 2**30))
    gguf = model(format="gguf")
    assert memory.headroom_bytes(gguf, LoadParameters(), None) == expected * 2**30


def test_transformers_gets_headroom_for_its_load_and_its_caches() -> None:
    parameters = LoadParameters(num_ctx=100)
    cache = 100 * ELEMENTS_PER_TOKEN * 2
    assert memory.headroom_bytes(model(format="gguf"), parameters, GB) == GB
    assert memory.headroom_bytes(model(), parameters, GB) == GB + 2 * GB + 16 * cache
    assert memory.headroom_bytes(model(), parameters, 0) == 0
