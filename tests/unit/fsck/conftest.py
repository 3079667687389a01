"""The store that is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.store import ModelStore
from support.fsck_checks import found
from support.model_files import gguf
from support.registering import register


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with a model that was copied and one that is in place."""
    (tmp_path / "model.gguf").write_bytes(gguf())
    (tmp_path / "other.gguf").write_bytes(gguf(fill=b"\1"))
    store = ModelStore(tmp_path / "home")
    register(store, "copied", tmp_path / "model.gguf", copy=True)
    register(store, "in-place", tmp_path / "other.gguf")
    assert found(store) == []
    return store
