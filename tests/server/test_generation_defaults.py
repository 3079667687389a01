"""Requests to a server use the sampling defaults of the model's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import tiny_gguf
from support.servers import Server


def test_requests_use_the_defaults_of_the_file(server: Server, tmp_path: Path) -> None:
    path = tiny_gguf.gpt2(tmp_path / "m.gguf", 64, temperature=0.0)
    with server.api() as api:
        made = api.post("v1/models", json={"name": "greedy", "path": str(path)}).json()
        assert made["generation_defaults"] == {"temperature": 0.0}
        assert made["default_parameters"] == {}

        def texts(**sampling: Any) -> set[str]:
            body = {"model": "greedy", "prompt": [5, 9], "max_tokens": 24, "n": 4, **sampling}
            reply = api.post("v1/completions", json=body).raise_for_status()
            return {choice["text"] for choice in reply.json()["choices"]}

        assert len(texts()) == 1
        assert len(texts(temperature=2.0)) > 1
        again = {"name": "greedy", "path": str(path), "overwrite": True}
        warm = {"default_parameters": {"temperature": 2.0, "top_k": 0}}
        api.post("v1/models", json=again | warm).raise_for_status()
        assert len(texts()) > 1
        api.delete("v1/models/greedy").raise_for_status()
