"""A store and a model file, for all tests of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.store import ModelStore
from support.model_files import gguf


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> ModelStore:
    return ModelStore(home)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    return path
