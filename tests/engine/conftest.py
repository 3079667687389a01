"""Fixtures for tests of the engines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine import heartbeat
from a3s_power_jupyter.engine.cancellation import CANCELLED
from support import tiny_gguf
from support.nodes import Nodes
from support.tiny_models import make, spm_bpe


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of all heartbeats, however close to each other they are."""
    times: list[float] = []
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    monkeypatch.setattr(heartbeat.HEARTBEAT, "_send", lambda: times.append(time.monotonic()))
    return times


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    nodes = Nodes()
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    monkeypatch.setattr(heartbeat.HEARTBEAT, "_send", nodes.computed)
    yield nodes
    CANCELLED.clear()


@pytest.fixture(scope="session")
def cache_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models by the kind of their cache, for prompts of up to 2,048 tokens."""
    folder = tmp_path_factory.mktemp("kinds")
    directory = make(
        folder / "window",
        "Gemma3TextConfig",
        spm_bpe(prefix=False),
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=16,
        max_position_embeddings=2048,
    )
    convert(directory, folder / "window.gguf", lambda _value: None)
    return {
        "full": tiny_gguf.gpt2(folder / "full.gguf", 2048),
        "window": folder / "window.gguf",
        "recurrent": tiny_gguf.mamba(folder / "recurrent.gguf"),
    }
