"""Register directories of sentence-transformers models, whole, incomplete and of an old layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.model_files import LLAMA_CONFIG, model_directory, safetensors

BERT_CONFIG = LLAMA_CONFIG | {"architectures": ["BertModel"], "model_type": "bert"}
WEIGHTS = {"a": ("F32", (2, 3)), "b": ("BF16", (5,))}
ROWS = [
    ("", "Transformer"),
    ("1_Pooling", "Pooling"),
    ("2_Dense", "Dense"),
    ("3_Normalize", "Normalize"),
]


def embedding_directory(path: Path, config: dict[str, object] = BERT_CONFIG) -> Path:
    model_directory(path, config)
    rows = [
        {"path": folder, "type": f"sentence_transformers.models.{kind}"} for folder, kind in ROWS
    ]
    (path / "modules.json").write_text(json.dumps(rows))
    for folder in ("1_Pooling", "2_Dense"):
        (path / folder).mkdir()
        (path / folder / "config.json").write_text("{}")
    (path / "2_Dense" / "model.safetensors").write_bytes(safetensors(WEIGHTS))
    return path


@pytest.mark.parametrize("config", [BERT_CONFIG, LLAMA_CONFIG])
def test_an_embedding_model(tmp_path: Path, config: dict[str, object]) -> None:
    """Its module without settings has no folder."""
    description = describe_directory(embedding_directory(tmp_path / "m", config), None)
    assert description.format == "huggingface"
    assert description.capabilities == ("embeddings",)
    found = {file.name for file in description.files}
    assert {"2_Dense/model.safetensors", "1_Pooling/config.json", "2_Dense/config.json"} <= found


@pytest.mark.parametrize(
    "missing", ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"]
)
def test_a_missing_file_of_a_module_is_named(tmp_path: Path, missing: str) -> None:
    path = embedding_directory(tmp_path / "m")
    (path / missing).unlink()
    with pytest.raises(InvalidModelDirectory, match=f"lacks {missing}"):
        describe_directory(path, None)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = embedding_directory(tmp_path / "m")
    (path / "1_Pooling").rename(path / "pooling")
    with pytest.raises(InvalidModelDirectory, match="lacks 1_Pooling/"):
        describe_directory(path, None)


def test_a_missing_list_of_modules_is_named(tmp_path: Path) -> None:
    path = embedding_directory(tmp_path / "m")
    (path / "modules.json").unlink()
    with pytest.raises(InvalidModelDirectory, match=r"not modules\.json"):
        describe_directory(path, None)


def test_a_pickled_layer(tmp_path: Path) -> None:
    path = embedding_directory(tmp_path / "m")
    (path / "2_Dense" / "model.safetensors").rename(path / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(InvalidModelDirectory, match=r"pickle.*sentence-transformers"):
        describe_directory(path, None)


@pytest.mark.parametrize("with_config", [True, False])
def test_the_old_layout_is_named(tmp_path: Path, with_config: bool) -> None:
    """Before version 2, the model was in a folder of its own."""
    path = embedding_directory(tmp_path / "m")
    text = (path / "modules.json").read_text().replace('"path": ""', '"path": "0_Transformer"')
    (path / "modules.json").write_text(text)
    (path / "0_Transformer").mkdir()
    if not with_config:
        for name in ("config.json", "model.safetensors"):
            (path / name).rename(path / "0_Transformer" / name)
    with pytest.raises(InvalidModelDirectory, match=r"before version 2.*save_pretrained"):
        describe_directory(path, None)


def test_a_chat_model_does_not_need_the_modules(tmp_path: Path) -> None:
    path = embedding_directory(tmp_path / "m", LLAMA_CONFIG)
    (path / "1_Pooling" / "config.json").unlink()
    assert describe_directory(path, "safetensors").capabilities == ("completion", "chat")


@pytest.mark.parametrize("modules", [["x"], [{}], [{"path": ".."}], [{"path": "a/b"}], {}, [], 1])
def test_invalid_modules(tmp_path: Path, modules: object) -> None:
    path = model_directory(tmp_path / "m")
    (path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InvalidModelDirectory, match=r"modules\.json"):
        describe_directory(path, None)
