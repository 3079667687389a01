"""Refuse the pointers that a clone without Git LFS has in place of large files."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InvalidGGUF, InvalidModelDirectory, PowerError
from a3s_power_jupyter.store import ModelStore
from support.model_files import gguf, model_directory
from support.registering import register

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 2200119864\n"


def refused(store: ModelStore, path: Path, **fields: object) -> PowerError:
    with pytest.raises(PowerError, match="git lfs pull") as caught:
        register(store, "m", path, **fields)
    assert caught.value.param == "path"
    return caught.value


@pytest.mark.parametrize("host", ["git-lfs", "hawser"])
def test_a_gguf_file(store: ModelStore, tmp_path: Path, host: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_text(POINTER.replace("git-lfs", host))
    assert isinstance(refused(store, path), InvalidGGUF)


def test_a_shard_and_a_projector(store: ModelStore, tmp_path: Path) -> None:
    metadata = {"general.architecture": "llama", "split.count": 2, "split.no": 0}
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(gguf(metadata))
    (tmp_path / "m-00002-of-00002.gguf").write_text(POINTER)
    refused(store, tmp_path / "m-00001-of-00002.gguf")
    (tmp_path / "m.gguf").write_bytes(gguf())
    (tmp_path / "mmproj.gguf").write_text(POINTER)
    refused(store, tmp_path / "m.gguf", mmproj=str(tmp_path / "mmproj.gguf"))


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer.model", "vocab.txt"]
)
def test_a_file_of_a_directory(store: ModelStore, tmp_path: Path, name: str) -> None:
    path = model_directory(tmp_path / "m")
    (path / name).write_text(POINTER)
    error = refused(store, path)
    assert isinstance(error, InvalidModelDirectory)
    assert name in error.message
