"""Without the extra `transformers`, its models can be registered, but not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import model_files
from support.paths import SUPPORT
from support.servers import Server, run_server

HIDING = str(SUPPORT / "without_transformers")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bare")
    with run_server(folder, headless=True, environ={"PYTHONPATH": HIDING}) as server:
        yield server


@pytest.mark.parametrize("kind", ["Q4K", "HQQ4", "none"])
def test_loading_names_the_missing_packages(bare: Server, tmp_path: Path, kind: str) -> None:
    path = model_files.model_directory(tmp_path / "model")
    with bare.api() as api:
        body = {"name": kind, "path": str(path), "default_parameters": {"isq": kind}}
        made = api.post("v1/models", json=body)
        assert (made.status_code, made.json()["format"]) == (201, "safetensors")
        body = {"model": kind, "messages": [{"role": "user", "content": "hello"}]}
        reply = api.post("v1/chat/completions", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "backend_unavailable")
        message = reply.json()["error"]["message"]
        assert "pip install 'a3s-power-jupyter[transformers]'" in message
        assert "torch" in message
        assert api.get(f"v1/models/{kind}").json()["state"] == "failed"


def test_health_reports_the_missing_packages(bare: Server) -> None:
    with bare.api() as api:
        engine = api.get("v1/health").json()["engines"]["transformers"]
    assert engine["available"] is False
    assert "pip install 'a3s-power-jupyter[transformers]'" in engine["reason"]
