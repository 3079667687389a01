"""The estimated memory of models, compared with the measured peak of real workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import gguf_families, servers
from support.peak_memory import Peak, forget_reads, read_weights
from support.servers import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def peak_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Warm conversations have a budget of their own, which is not a part of the estimate."""
    folder = tmp_path_factory.mktemp("server")
    with servers.run_server(folder, "--PowerApp.prompt_cache=0") as server:
        yield server


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("smollm2", {"num_ctx": 2048}),
        ("smollm2", {"num_ctx": 16384, "kv_cache_type": "q8_0", "num_parallel": 2}),
        ("smollm2", {"num_ctx": 2048, "use_mmap": False}),
        ("gemma3", {"num_ctx": 65536}),
        ("deepseek2", {"num_ctx": 16384, "use_mmap": False}),
        ("jamba", {"num_ctx": 65536, "num_parallel": 16}),
    ],
)
def test_the_estimate_is_within_15_percent_of_the_peak(
    peak_server: Server,
    smollm2_path: Path,
    tmp_path: Path,
    model: str,
    parameters: dict[str, Any],
) -> None:
    path = smollm2_path
    if model != "smollm2":
        path = gguf_families.write(tmp_path / f"{model}.gguf", model)
    with peak_server.api() as api:
        body = {"name": model, "path": str(path), "overwrite": True}
        assert api.post("v1/models", json=body).status_code == 201
        found = api.post(f"v1/models/{model}/estimate", json=parameters).json()
        peak = Peak(peak_server)
        with peak.measured():
            loaded = api.post(f"v1/models/{model}/load", json=parameters)
            assert loaded.status_code == 200, loaded.text
            worker = peak.worker
            forget_reads(worker.pid)
            prompt = {"model": model, "prompt": [7] * 300, "max_tokens": 2}
            assert api.post("v1/completions", json=prompt).status_code in (200, 503)  # may be NaN
        measured = peak.private + read_weights(worker.pid)
        assert api.post(f"v1/models/{model}/unload").status_code == 200
    assert found["total"] == pytest.approx(measured, rel=0.15)
