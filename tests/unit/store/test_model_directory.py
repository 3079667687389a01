"""Describe model directories: weights, settings, companion files and refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InvalidModelDirectory,
    NotADirectory,
    NotAFile,
)
from a3s_power_jupyter.contract.types import ModelDetails
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.model_files import LLAMA_CONFIG, gguf, model_directory, safetensors

VISION_CONFIG = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "vision_config": {"hidden_size": 4},
    "text_config": LLAMA_CONFIG,
}
BERT_CONFIG = LLAMA_CONFIG | {"architectures": ["BertModel"], "model_type": "bert"}

WEIGHTS = {"a": ("F32", (2, 3)), "b": ("BF16", (5,))}


def names(path: Path) -> list[str]:
    return [file.name for file in describe_directory(path, None).files]


def test_a_chat_model(tmp_path: Path) -> None:
    description = describe_directory(model_directory(tmp_path / "m"), None)
    assert description.format == "safetensors"
    assert description.capabilities == ("completion", "chat")
    assert description.context_length == 64
    assert description.details == ModelDetails(
        family="llama", parameter_count=40, quantization="BF16", embedding_length=8
    )
    assert [file.name for file in description.files] == [
        "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip


def test_the_tokenizer_says_whether_a_model_fills_in(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    tokens = [{"content": f"<|fim_{part}|>"} for part in ("prefix", "suffix", "middle")]
    for file, key, value in (
        ("tokenizer.json", "added_tokens", tokens),
        ("tokenizer_config.json", "added_tokens_decoder", dict(enumerate(tokens))),
    ):
        before = (path / file).read_text()
        (path / file).write_text(json.dumps({key: value}))
        assert "fill_in" in describe_directory(path, None).capabilities
        (path / file).write_text(json.dumps({key: ["", None, 5]}))
        assert "fill_in" not in describe_directory(path, None).capabilities
        (path / file).write_text(before)


def test_a_vision_model(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m", VISION_CONFIG)
    with pytest.raises(InvalidModelDirectory, match="image processor"):
        describe_directory(path, None)
    (path / "preprocessor_config.json").write_text("{}")
    description = describe_directory(path, None)
    assert description.format == "vision"
    assert description.details.family == "llava"
    assert description.context_length == 64  # of the language model
    assert "vision" in description.capabilities


def test_formats_that_do_not_suit_the_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelDirectory, match="vision_config"):
        describe_directory(model_directory(tmp_path / "chat"), "vision")
    with pytest.raises(InvalidModelDirectory, match="huggingface"):
        describe_directory(model_directory(tmp_path / "bert", BERT_CONFIG), "safetensors")


def test_the_requested_format_is_used(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    assert describe_directory(path, "huggingface").capabilities == ("embeddings",)


def test_only_files_needed_for_loading_are_included(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    for name in ("README.md", "modeling.py", "pytorch_model.bin", "pytorch_model.bin.index.json"):
        (path / name).write_text("{}")
    for name in ("chat_template.jinja", "merges.txt"):
        (path / name).write_text("")
    (path / "onnx").mkdir()
    (path / "onnx" / "config.json").write_text("{}")
    (path / "dangling.json").symlink_to("nowhere")
    os.mkfifo(path / "pipe.json")
    (path / os.fsdecode(b"\xff.json")).write_text("{}")
    assert names(path) == [
        "model.safetensors", "chat_template.jinja", "config.json", "merges.txt",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip


def test_a_snapshot_of_the_hub_cache(tmp_path: Path) -> None:
    blobs = model_directory(tmp_path / "blobs")
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(blob)
    description = describe_directory(snapshot, None)
    assert {file.path.parent for file in description.files} == {snapshot}
    assert description.files[0].size == (blobs / "model.safetensors").stat().st_size


def test_packed_weights_do_not_count_as_parameters(tmp_path: Path) -> None:
    config = LLAMA_CONFIG | {"quantization_config": {"quant_method": "awq"}}
    details = describe_directory(model_directory(tmp_path / "m", config), None).details
    assert details.quantization == "AWQ"
    assert details.parameter_count is UNSET


def shard(path: Path, weight_map: object) -> None:
    (path / "model.safetensors").unlink()
    (path / "one.safetensors").write_bytes(safetensors({"a": ("F32", (2,))}))
    (path / "two.safetensors").write_bytes(safetensors({"b": ("F32", (3,))}))
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_sharded_weights(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    shard(path, {"a": "one.safetensors", "b": "two.safetensors"})
    assert describe_directory(path, None).details.parameter_count == 5
    found = names(path)
    assert found[:2] == ["one.safetensors", "two.safetensors"]
    assert "model.safetensors.index.json" in found


def test_an_adapter_beside_a_model(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    (path / "adapter_config.json").write_text("{}")
    with pytest.raises(InvalidModelDirectory, match="LoRA adapter"):
        describe_directory(path, None)


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    shard(path, {"a": "one.safetensors", "b": "two.safetensors"})
    both = {"a": ("F32", (2,)), "b": ("F32", (3,))}
    (path / "two.safetensors").write_bytes(safetensors(both))
    with pytest.raises(InvalidModelDirectory, match=r"both one\.safetensors and two\.safetensors"):
        describe_directory(path, None)


@pytest.mark.parametrize(
    ("weight_map", "reason"),
    [
        ({}, "weight_map"),
        ([1], "weight_map"),
        ({"a": 1}, "weight_map"),
        ({"a": "../one.safetensors"}, "next to it"),
        ({"a": "/etc/passwd"}, "next to it"),
        ({"a": "config.json"}, "next to it"),
        ({"a": "three.safetensors"}, "missing"),
        ({"b": "one.safetensors"}, "does not have the tensor"),
    ],
)
def test_hostile_indexes(tmp_path: Path, weight_map: object, reason: str) -> None:
    path = model_directory(tmp_path / "m")
    shard(path, weight_map)
    with pytest.raises(InvalidModelDirectory, match=reason):
        describe_directory(path, None)


@pytest.mark.parametrize(
    ("present", "advice"),
    [
        ("pytorch_model.bin", "pickle"),
        ("weights.pt", "pickle"),
        ("model-q4.gguf", "use .*model-q4.gguf"),
        ("adapter_model.safetensors", "LoRA"),
        ("consolidated.safetensors", "must be called"),
        ("notes.txt", "must be called"),
    ],
)
def test_no_weights(tmp_path: Path, present: str, advice: str) -> None:
    path = model_directory(tmp_path / "m")
    (path / "model.safetensors").unlink()
    (path / present).write_bytes(gguf())
    with pytest.raises(InvalidModelDirectory, match=advice):
        describe_directory(path, None)
    (path / "config.json").unlink()
    with pytest.raises(InvalidModelDirectory, match=advice):
        describe_directory(path, None)


@pytest.mark.parametrize("config", ["", "[]", "{", '{"a":' * 100_000, "\xff"])
def test_a_config_that_is_not_an_object(tmp_path: Path, config: str) -> None:
    path = model_directory(tmp_path / "m")
    (path / "config.json").write_text(config, encoding="latin-1")
    with pytest.raises(InvalidModelDirectory, match=r"config\.json"):
        describe_directory(path, None)


@pytest.mark.parametrize(
    "config",
    [
        {"architectures": "x", "model_type": 3, "text_config": [], "vision_config": 1},
        {"hidden_size": -1, "num_hidden_layers": True, "num_attention_heads": 1e99},
        {"hidden_size": 2**70, "max_position_embeddings": None, "quantization_config": []},
    ],
)
def test_config_values_of_unexpected_types(tmp_path: Path, config: dict[str, object]) -> None:
    description = describe_directory(model_directory(tmp_path / "m", config), None)
    assert description.format == "safetensors"
    assert description.context_length is UNSET


def test_missing_parts_are_named(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    (path / "tokenizer.json").unlink()
    with pytest.raises(InvalidModelDirectory, match="tokenizer"):
        describe_directory(path, None)
    (path / "config.json").unlink()
    with pytest.raises(InvalidModelDirectory, match=r"config\.json"):
        describe_directory(path, None)
    with pytest.raises(FileNotFound):
        describe_directory(tmp_path / "none", None)
    with pytest.raises(NotADirectory):
        describe_directory(path / "model.safetensors", None)


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    (path / "model.safetensors").unlink()
    (path / "model.safetensors").mkdir()
    with pytest.raises(NotAFile):
        describe_directory(path, None)
