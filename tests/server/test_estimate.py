"""``POST /v1/models/{name}/estimate`` on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support import gguf_families, model_files
from support.servers import Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def api(server: Server, smollm2: str) -> Iterator[httpx2.Client]:
    with server.api() as api:
        api.post("v1/models/smollm2/unload")  # another test may have loaded it
        yield api


def estimate(api: httpx2.Client, name: str, **parameters: Any) -> dict[str, Any]:
    reply = api.post(f"v1/models/{name}/estimate", json=parameters)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    assert found["object"] == "estimate"
    parts = ("weights", "cache", "buffers", "other")
    assert found["total"] == sum(found[part] for part in parts)
    return found


def test_llama_cpp_computes_the_sizes_of_a_model(api: httpx2.Client) -> None:
    found = estimate(api, "smollm2")
    assert found["source"] == "llama.cpp"
    assert found["weights"] == 96_576_768
    assert found["cache"] == 180 * MIB
    assert found["num_ctx"] == found["largest_num_ctx"] == found["context_length"] == 8192
    assert found["fits"]
    assert (found["evicts"], found["waits"], found["devices"]) == ([], False, [])
    assert "gpu_layers" not in found
    smaller = estimate(api, "smollm2", num_ctx=2048, kv_cache_type="q8_0", keep_alive="5m")
    assert estimate(api, "smollm2", num_ctx=100)["num_ctx"] == 256  # llama.cpp rounds up
    assert smaller["cache"] == pytest.approx(45 * MIB * 34 / 64, rel=0.001)
    assert api.get("v1/models/smollm2").json()["state"] == "unloaded"


def test_a_loaded_model_reports_what_was_estimated(api: httpx2.Client) -> None:
    found = estimate(api, "smollm2", num_ctx=1024)
    loaded = api.post("v1/models/smollm2/load", json={"num_ctx": 1024})
    assert loaded.status_code == 200
    model = loaded.json()
    assert model["memory"] == {part: found[part] for part in ("weights", "cache", "buffers")}
    assert model["memory_bytes"] > found["total"] - found["weights"] - found["other"]
    assert api.post("v1/models/smollm2/unload").status_code == 200


def test_the_errors_are_those_of_a_load(api: httpx2.Client, tmp_path: Path) -> None:
    def code(name: str, **body: Any) -> tuple[int, str]:
        reply = api.post(f"v1/models/{name}/estimate", json=body)
        return reply.status_code, reply.json()["error"]["code"]

    assert code("absent") == (404, "model_not_found")
    assert code("smollm2", num_ctx=-1) == (400, "invalid_parameter")
    assert code("smollm2", isq="Q4K") == (400, "invalid_isq")
    assert code("smollm2", keep_alive="soon") == (400, "invalid_keep_alive")
    both = {"kv_cache_type": "q4_0", "flash_attention": False}
    assert code("smollm2", **both) == (400, "invalid_parameter")
    path = tmp_path / "changed.gguf"
    path.write_bytes(model_files.gguf())
    assert api.post("v1/models", json={"name": "changed", "path": str(path)}).status_code == 201
    path.write_bytes(model_files.gguf(fill=b"\1"))
    assert code("changed")[0] == api.post("v1/models/changed/load").status_code == 409
    upstream = {"base_url": "http://localhost:9/v1", "model": "m"}
    body = {"name": "far", "format": "remote", "upstream": upstream}
    assert api.post("v1/models", json=body).status_code == 201
    assert code("far") == (400, "invalid_parameter")


def test_models_that_would_be_unloaded(
    start_server: Callable[..., Server], smollm2_path: Path, tmp_path: Path
) -> None:
    """The limit holds one of the two models."""
    limit = 450 * MIB
    server = start_server(f"--PowerApp.memory_limit={limit}")
    large = gguf_families.write(tmp_path / "large.gguf", "llama")
    with server.api() as api:
        for name, path in (("small", smollm2_path), ("large", large)):
            body = {"name": name, "path": str(path)}
            assert api.post("v1/models", json=body).status_code == 201
        assert estimate(api, "large", num_ctx=8192)["evicts"] == []
        loaded = api.post("v1/models/small/load", json={"keep_alive": -1})
        assert loaded.status_code == 200
        found = estimate(api, "large", num_ctx=8192)
        assert found["fits"]
        assert found["evicts"] == ["small"]
        most = found["largest_num_ctx"]
        assert most < found["context_length"]  # memory is the limit
        assert estimate(api, "large", num_ctx=most)["total"] <= limit
        assert not estimate(api, "large", num_ctx=most + 256)["fits"]
        refused = api.post("v1/models/large/load", json={"num_ctx": most + 256})
        assert refused.json()["error"]["code"] == "insufficient_memory"
        again = estimate(api, "small", num_ctx=4096)  # a reload needs no room for the old worker
        assert (again["fits"], again["evicts"]) == (True, [])
