"""Test a whole server on a GPU: conversion, load, chat, metrics and unload."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from support.servers import Server
from support.tiny_models import byte_level, make

MB = 1 << 20


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of about 400 MB in bfloat16."""
    return make(
        tmp_path_factory.mktemp("llama"),
        "LlamaConfig",
        byte_level("gpt-2"),
        dtype=torch.bfloat16,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=14,
        num_attention_heads=16,
        num_key_value_heads=8,
        max_position_embeddings=2048,
    )


@pytest.fixture
def api(start_server: Callable[..., Server]) -> Iterator[Any]:
    with start_server(headless=True).api() as client:
        yield client


@pytest.mark.parametrize("isq", ["none", "HQQ4", "Q8_0"])
def test_a_model_is_loaded_used_and_unloaded(api: Any, directory: Path, isq: str) -> None:
    """Q8_0 is converted to GGUF; the other two run on transformers."""
    free = torch.cuda.mem_get_info()[0]
    body = {
        "name": "m",
        "path": str(directory),
        "format": "safetensors",
        "default_parameters": {"isq": isq},
    }
    assert api.post("v1/models", json=body).status_code == 201
    loaded = api.post("v1/models/m/load", json={}).json()
    assert loaded["state"] == "loaded", loaded
    if isq == "Q8_0" and not api.get("v1/health").json()["engines"]["llama.cpp"]["gpu"]:
        pytest.skip("needs a CUDA build of llama-cpp-python")
    assert loaded["device"].lower().startswith("cuda"), loaded
    used = free - torch.cuda.mem_get_info()[0]
    assert used > 150 * MB
    messages = [{"role": "user", "content": "Tell me something."}]
    body = {"model": "m", "messages": messages, "max_tokens": 16}
    answer = api.post("v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    metrics = api.get("metrics").text
    [reported] = re.findall(r"^power_gpu_memory_bytes\{.*\} (.*)$", metrics, re.MULTILINE)
    # CUDA's own memory, 0.5 to 1 GB for each process, is not part of the model's.
    assert 100 * MB < float(reported) <= used
    assert api.post("v1/models/m/unload").status_code == 200
    for _ in range(100):
        if torch.cuda.mem_get_info()[0] > free - 32 * MB:
            break
        time.sleep(0.1)
    assert torch.cuda.mem_get_info()[0] > free - 32 * MB


def test_the_gpu_is_listed(api: Any) -> None:
    health = api.get("v1/health").json()
    assert any(device["kind"] == "gpu" for device in health["devices"]), health


def test_two_models_share_the_gpu(api: Any, directory: Path) -> None:
    for name in ("a", "b"):
        body = {"name": name, "path": str(directory), "default_parameters": {"isq": "none"}}
        assert api.post("v1/models", json=body).status_code == 201
        answer = api.post("v1/completions", json={"model": name, "prompt": "x", "max_tokens": 8})
        assert answer.status_code == 200, answer.text
    models = api.get("v1/models").json()["data"]
    assert [model["state"] for model in models] == ["loaded", "loaded"]
