"""Describe GGUF models, their shards, and files that are not models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InvalidGGUF,
    InvalidParameter,
    UnsupportedModelFormat,
)
from a3s_power_jupyter.contract.fill_in import FILL_IN_NAMES, FillInNames
from a3s_power_jupyter.contract.types import ModelDetails
from a3s_power_jupyter.store.formats.description import Description
from a3s_power_jupyter.store.formats.gguf_model import describe_gguf
from support.model_files import F32, LLAMA, Q4_0, TENSORS, gguf, smollm2


def describe(tmp_path: Path, **changes: Any) -> Description:
    """Describe LLAMA with some keys changed; None removes a key, and ``__`` means a dot."""
    edits = {key.replace("__", "."): value for key, value in changes.items()}
    metadata = {key: value for key, value in (LLAMA | edits).items() if value is not None}
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(metadata))
    return describe_gguf(path)


def test_the_real_model() -> None:
    description = describe_gguf(smollm2())
    assert description.details == ModelDetails(
        family="llama",
        parameter_count=134_515_008,
        quantization="Q4_1",
        embedding_length=576,
    )
    assert description.context_length == 8192
    assert description.capabilities == ("completion", "chat", "embeddings")
    assert [file.name for file in description.files] == ["SmolLM2-135M-Instruct.Q4_1.gguf"]


def test_without_a_template_there_is_no_chat(tmp_path: Path) -> None:
    description = describe(tmp_path, tokenizer__chat_template=None)
    assert description.capabilities == ("completion", "embeddings")


@pytest.mark.parametrize("names", FILL_IN_NAMES)
def test_the_vocabulary_says_whether_a_model_fills_in(tmp_path: Path, names: FillInNames) -> None:
    known = [name for name in names if name is not None]
    for tokens, can in ((known, True), (known[1:], False), ([f"{known[0]}x", *known[1:]], False)):
        description = describe(tmp_path, tokenizer__ggml__tokens=["a", *tokens, "b" * 3_000_000])
        assert ("fill_in" in description.capabilities) is can


@pytest.mark.parametrize(
    "parts", [("fim_pre", "fim_suf", "fim_mid"), ("prefix", "suffix", "middle")]
)
def test_the_header_may_name_the_tokens_by_their_ids(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    ids = {f"tokenizer__ggml__{part}_token_id": 7 for part in parts}
    assert "fill_in" in describe(tmp_path, **ids).capabilities
    ids.popitem()
    assert "fill_in" not in describe(tmp_path, **ids).capabilities


@pytest.mark.parametrize(
    "changes",
    [
        {"llama__pooling_type": 3},
        {"llama__attention__causal": False},
        {"general__architecture": "nomic-bert"},
    ],
)
def test_encoders_only_embed(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert describe(tmp_path, **changes).capabilities == ("embeddings",)


def test_a_model_without_pooling_is_not_an_encoder(tmp_path: Path) -> None:
    assert "chat" in describe(tmp_path, llama__pooling_type=0).capabilities


@pytest.mark.parametrize(
    ("file_type", "quantization"),
    [(15, "Q4_K_M"), (1024 + 7, "Q8_0"), (999, "Q4_0"), (None, "Q4_0")],
)
def test_quantization(tmp_path: Path, file_type: int | None, quantization: str) -> None:
    description = describe(tmp_path, general__file_type=file_type)
    assert description.details.quantization == quantization


def test_unknown_values_stay_unknown(tmp_path: Path) -> None:
    description = describe(
        tmp_path,
        llama__block_count=None,
        llama__context_length="many",
        llama__embedding_length=2**32 - 1,
    )
    assert description.context_length is UNSET
    assert description.details.embedding_length is UNSET


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"general__architecture": "clip"}, "mmproj"),
        ({"general__type": "mmproj"}, "mmproj"),
        ({"general__type": "adapter"}, "LoRA"),
        ({"general__type": "imatrix"}, "quantization"),
    ],
)
def test_gguf_files_of_other_kinds(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedModelFormat, match=reason):
        describe(tmp_path, **changes)


def test_no_architecture_and_no_tensors(tmp_path: Path) -> None:
    with pytest.raises(InvalidGGUF, match="architecture"):
        describe(tmp_path, general__architecture=None)
    (tmp_path / "vocabulary.gguf").write_bytes(gguf(tensors={}))
    with pytest.raises(InvalidGGUF, match="vocabulary"):
        describe_gguf(tmp_path / "vocabulary.gguf")


def write_shards(folder: Path) -> list[Path]:
    """Three shards as llama.cpp's splitter writes them: the first has only metadata."""
    split = {"split.count": 3, "split.tensors.count": len(TENSORS)}
    contents = [gguf(LLAMA | split | {"split.no": 0}, {})]
    for number, (name, tensor) in enumerate(TENSORS.items(), 1):
        contents.append(gguf(split | {"split.no": number}, {name: tensor}))
    paths = [folder / f"m-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_shards_are_one_model(tmp_path: Path) -> None:
    paths = write_shards(tmp_path)
    description = describe_gguf(paths[0])
    assert [file.path for file in description.files] == paths
    assert description.details.parameter_count == 64 * 3 + 64


def test_incomplete_shards(tmp_path: Path) -> None:
    paths = write_shards(tmp_path)
    with pytest.raises(InvalidParameter, match=paths[0].name):
        describe_gguf(paths[1])
    paths[2].write_bytes(paths[2].read_bytes()[:-1])
    with pytest.raises(InvalidGGUF, match=paths[2].name):
        describe_gguf(paths[0])
    paths[2].write_bytes(gguf({}, {}))
    with pytest.raises(InvalidGGUF, match="1 of 2 tensors"):
        describe_gguf(paths[0])
    paths[2].unlink()
    with pytest.raises(FileNotFound, match=paths[2].name):
        describe_gguf(paths[0])
    renamed = paths[0].rename(tmp_path / "m.gguf")
    with pytest.raises(InvalidParameter, match=r"-00001-of-00003\.gguf"):
        describe_gguf(renamed)


def test_quantization_is_the_type_of_most_elements(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    metadata = {"general.architecture": "llama"}
    path.write_bytes(gguf(metadata, {"a": (F32, (512,)), "b": (Q4_0, (32,))}))
    assert describe_gguf(path).details.quantization == "F32"
