"""Models are named by their header or a folder if their own file or folder says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3s_power_jupyter.store.scan import titles
from support.model_files import LLAMA, gguf

HASH = "5f0b02c75b57c5855da9ae460ce51323ea669d8a"


def write(path: Path, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {f"general.{key}": value for key, value in metadata.items()}
    path.write_bytes(gguf(LLAMA | keys))
    return path


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ggml-model-Q4_K_M.gguf", "Llama-3.2-1B-Q4_K_M"),
        ("ggml-model-f16.gguf", "Llama-3.2-1B-f16"),
        ("model.gguf", "Llama-3.2-1B"),
        ("unsloth.Q4_K_M.gguf", "Llama-3.2-1B-Q4_K_M"),
        ("model-1B-q4.gguf", "Llama-3.2-1B-q4"),
        ("final_model.GGUF", "Llama-3.2-1B-final"),
        (f"{HASH}.gguf", "Llama-3.2-1B"),
        (f"sha256-{'ab12' * 16}", "Llama-3.2-1B"),
        ("模型.gguf", "Llama-3.2-1B"),
        ("tiny.gguf", "tiny"),
        ("my-model-Q4_K_M.gguf", "my-model-Q4_K_M"),
        ("phi2.Q8_0.gguf", "phi2.Q8_0"),
    ],
)
def test_a_file_that_says_nothing_is_named_by_its_header(
    tmp_path: Path, file: str, name: str
) -> None:
    assert titles.of_model(write(tmp_path / file, name="Llama 3.2 1B")) == name


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"name": "meta-llama/Llama-2-7b-hf"}, "Llama-2-7b-hf-Q4_0"),
        ({"name": "C:\\models\\Phi 3"}, "Phi-3-Q4_0"),
        ({"name": "/srv/models/Phi 3/"}, "Phi-3-Q4_0"),
        ({"name": HASH, "basename": "Qwen2.5", "size_label": "3B"}, "Qwen2.5-3B-Q4_0"),
        ({"name": "Model", "basename": "Phi", "finetune": "chat"}, "Phi-chat-Q4_0"),
        ({"name": "a description of the model " * 4}, "tales-Q4_0"),
        ({"name": "7B"}, "tales-Q4_0"),
        ({}, "tales-Q4_0"),
    ],
)
def test_a_header_may_say_nothing_either(
    tmp_path: Path, metadata: dict[str, str], name: str
) -> None:
    path = write(tmp_path / "tales" / "models" / "ggml-model-Q4_0.gguf", **metadata)
    assert titles.of_model(path) == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("tales/checkpoint-500", "tales-checkpoint-500"),
        ("tales/final", "tales-final"),
        ("tales/pytorch_model", "tales"),
        (f"tales/snapshots/{HASH}", "tales"),
        ("tales-7B/hf/7B", "tales-7B"),
        ("tales/poems", "poems"),
    ],
)
def test_a_folder_that_says_nothing_is_named_by_one_above(
    tmp_path: Path, folder: str, name: str
) -> None:
    path = tmp_path / folder
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"_name_or_path": "org/base"}))
    assert titles.of_model(path) == name


def test_the_home_of_the_user_names_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "output"
    path.mkdir()
    assert titles.of_model(path) == "output"
    (path / "config.json").write_text(json.dumps({"_name_or_path": "org/base"}))
    assert titles.of_model(path) == "base"
    (path / "config.json").write_text("no JSON")
    assert titles.of_model(path) == "output"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/ann/model.gguf", "model"),
        ("/mnt/disk/ggml-model-Q4_0-00001-of-00003.gguf", "ggml-model-Q4_0"),
        ("/srv/tales/model-Q4_0-00001-of-00003.gguf", "tales-Q4_0"),
        (f"/c/models--org--m/snapshots/{HASH}", "org/m"),
        (f"/c/models--org--m/snapshots/{HASH}/model-Q4_0.gguf", "org/m:Q4_0"),
        ("/", "model"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_by_its_path(path: str, name: str) -> None:
    assert titles.of_model(Path(path)) == name
