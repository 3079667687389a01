"""The estimates from headers, compared with what llama.cpp would allocate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.engine.estimate import estimate
from a3s_power_jupyter.engine.llamacpp import backend, usage
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.store.formats.geometry import gguf_geometry_of
from support import gguf_families

TEXT = sorted(set(gguf_families.FAMILIES) - {"bert"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    backend.install_log()
    return tmp_path_factory.mktemp("families")


def compare(path: Path, **values: Any) -> None:
    """Compare the estimate of a model with llama.cpp's."""
    parameters = LoadParameters(**values)
    exact = usage.measure(Load("gguf", (str(path),), parameters)).use
    manifest = Manifest("a", "gguf", created=1, capabilities=("completion",))
    ours = estimate(manifest, gguf_geometry_of([path]), parameters)
    assert ours.weights == exact.weights
    assert ours.cache == pytest.approx(exact.cache, rel=0.001, abs=20_000)
    assert ours.buffers == pytest.approx(exact.buffers, rel=0.15, abs=1 << 20)


@pytest.mark.parametrize("family", TEXT)
def test_the_estimate_from_the_header_is_what_llama_cpp_allocates(
    folder: Path, family: str
) -> None:
    path = folder / f"{family}.gguf"
    if not path.exists():
        gguf_families.write(path, family)
    compare(path)
    compare(path, num_ctx=50_000)
    compare(path, num_ctx=1000, num_parallel=1)
    compare(path, num_ctx=20_000, num_parallel=16, num_batch=1024)


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("family", ["llama", "gemma3", "deepseek2", "jamba"])
def test_the_estimate_depends_on_the_type_of_the_cache(
    folder: Path, family: str, kind: str
) -> None:
    path = folder / f"{family}.gguf"
    if not path.exists():
        gguf_families.write(path, family)
    compare(path, num_ctx=30_000, kv_cache_type=kind)


def test_the_logits_of_a_large_vocabulary_are_counted(folder: Path) -> None:
    path = gguf_families.write(folder / "large.gguf", "llama", tokens=150_000)
    compare(path)
    compare(path, num_ctx=512, num_parallel=32)


def test_the_estimate_without_flash_attention(folder: Path) -> None:
    path = gguf_families.write(folder / "plain.gguf", "llama")
    compare(path, num_ctx=8192, flash_attention=False)


def test_the_estimate_of_a_real_model(smollm2_path: Path) -> None:
    compare(smollm2_path)
    compare(smollm2_path, num_ctx=32768, kv_cache_type="q8_0")
