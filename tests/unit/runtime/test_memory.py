"""The measurement of free memory, and how much more than its estimate a worker may take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from a3s_power_jupyter.contract.types import Manifest, MemoryUse, ModelDetails, StoredFile
from a3s_power_jupyter.runtime import memory

GB = 10**9
USE = MemoryUse(weights=2 * GB, cache=GB, buffers=0, other=0)


def model(**fields: Any) -> Manifest:
    """A model of a billion parameters in 2 GB."""
    defaults = {
        "name": "a",
        "format": "safetensors",
        "created": 1,
        "files": (StoredFile("a.safetensors", 2 * GB, "0" * 64),),
        "details": ModelDetails(parameter_count=GB),
    }
    return Manifest(**defaults | fields)


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
    assert memory.headroom_bytes(gguf, USE, None) == expected * 2**30


def test_transformers_gets_headroom_for_its_load_and_its_caches() -> None:
    assert memory.headroom_bytes(model(format="gguf"), USE, GB) == GB
    assert memory.headroom_bytes(model(), USE, GB) == GB + 2 * GB + 4 * GB
    assert memory.headroom_bytes(model(), USE, 0) == 0
