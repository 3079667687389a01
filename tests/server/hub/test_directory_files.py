"""Test which files of a repository are pulled for a Transformers model, and which are rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.hub.resolve.plan import Plan
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support import hub_repository, model_files
from support.hub_plans import index, paths_of, plan, sharded
from support.hub_server import HubServer

JUNK = {
    "README.md": b"", "LICENSE": b"", ".gitattributes": b"", "modeling_custom.py": b"",
    "pytorch_model.bin": b"x", "pytorch_model.bin.index.json": b"{}", "tf_model.h5": b"x",
    "flax_model.msgpack": b"x", "consolidated.safetensors": b"x", "model.fp16.safetensors": b"x",
    "onnx/model.onnx": b"x", "onnx/config.json": b"{}", "original/params.json": b"{}",
    "original/tokenizer.model": b"x", "runs/events.out": b"x", "image.png": b"x",
}  # fmt: skip


def check_like_the_store(hub: HubServer, folder: Path, repo: str = "ada/m") -> Plan:
    """Check that the plan has the files that the store would register, in the same order."""
    hub.add(repo, hub_repository.files_of(folder))
    planned = plan(hub, repo)
    described = describe_directory(folder, None)
    assert paths_of(planned) == [file.name for file in described.files]
    assert planned.kind == "directory"
    return planned


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def test_a_directory_without_junk(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    write(folder, JUNK | {"additional_chat_templates/rag.jinja": b"x", "chat_template.jinja": b"x"})
    planned = check_like_the_store(hub, folder)
    assert paths_of(planned) == [
        "model.safetensors", "chat_template.jinja", "config.json", "tokenizer.json",
        "tokenizer_config.json", "additional_chat_templates/rag.jinja",
    ]  # fmt: skip
    by_path = {file.path: file for file in planned.files}
    assert by_path["model.safetensors"].sha256
    assert by_path["config.json"].blob_id == hub_repository.git_blob_id(
        (folder / "config.json").read_bytes()
    )


def test_a_directory_of_shards(hub: HubServer, tmp_path: Path) -> None:
    folder = sharded(tmp_path / "m")
    write(folder, {"model-00003-of-00003.safetensors": b"left over"})
    planned = check_like_the_store(hub, folder)
    assert paths_of(planned)[:2] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    assert "model.safetensors.index.json" in paths_of(planned)


def test_a_pipeline_of_sentence_transformers(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    folders = ["", "1_Pooling", "2_Dense", "3_Normalize"]
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in zip(folders, kinds, strict=True)
    ]
    dense = model_files.safetensors({"w": ("F32", (2, 2))})
    files = {
        "modules.json": json.dumps(modules).encode(), "1_Pooling/config.json": b"{}",
        "2_Dense/config.json": b"{}", "2_Dense/model.safetensors": dense,
        "2_Dense/pytorch_model.bin": b"x", "4_Other/config.json": b"{}",
    }  # fmt: skip
    write(folder, files)
    planned = check_like_the_store(hub, folder)
    assert "2_Dense/model.safetensors" in paths_of(planned)
    assert "1_Pooling/config.json" in paths_of(planned)
    (folder / "2_Dense/model.safetensors").unlink()
    hub.add("ada/pickled", hub_repository.files_of(folder))
    with pytest.raises(
        InvalidModelDirectory, match=r"ada/pickled/2_Dense has no safetensors weights.*pickled"
    ):
        plan(hub, "ada/pickled")


def test_a_repository_with_both(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    write(folder, {"M-Q4_0.gguf": b"x", "M-Q8_0.gguf": b"x"})
    planned = check_like_the_store(hub, folder)
    assert "pull it by its path, for example ada/m/M-Q4_0.gguf" in str(planned.note)
    assert paths_of(plan(hub, "ada/m:Q8_0")) == ["M-Q8_0.gguf"]
    hub.add("ada/gguf", {"M-Q4_0.gguf": b"x", "config.json": b"{}", "extra.safetensors": b"x"})
    assert paths_of(plan(hub, "ada/gguf")) == ["M-Q4_0.gguf"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"config.json", "tokenizer.json", "pytorch_model.bin"}, r"pickled \(pytorch_model.bin\)"),
        ({"adapter_config.json", "adapter_model.safetensors"}, "LoRA"),
        ({"model_index.json", "unet/diffusion_pytorch_model.safetensors"}, "diffusers"),
        ({"README.md"}, "Weights must be"),
        (set(), "Weights must be"),
        ({"model.safetensors", "tokenizer.json"}, r"no config\.json"),
        ({"model.safetensors", "config.json"}, "no tokenizer"),
    ],
)
def test_repositories_without_a_model(hub: HubServer, files: set[str], why: str) -> None:
    hub.add("ada/m", dict.fromkeys(files, b"x"))
    with pytest.raises(InvalidModelDirectory, match=why):
        plan(hub, "ada/m")


@pytest.mark.parametrize(
    ("placed", "why"),
    [
        ({"t": "gone.safetensors"}, r"'gone\.safetensors', which is not in the repository"),
        ({"t": "../model.safetensors"}, "which is not in the repository"),
        ({"t": "config.json"}, "which is not in the repository"),
        ({}, "is empty"),
        ({"t": 1}, "is empty"),
    ],
)
def test_a_wrong_index(hub: HubServer, tmp_path: Path, placed: dict[str, str], why: str) -> None:
    folder = sharded(tmp_path / "m")
    index(folder, placed)
    hub.add("ada/m", hub_repository.files_of(folder))
    with pytest.raises(InvalidModelDirectory, match=why):
        plan(hub, "ada/m")


def test_wrong_modules(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    for number, text in enumerate(("{}", '["x"]', '[{"path": 1}]', "[{}]")):
        write(folder, {"modules.json": text.encode()})
        hub.add(f"ada/m{number}", hub_repository.files_of(folder))
        with pytest.raises(InvalidModelDirectory, match=r"modules\.json"):
            plan(hub, f"ada/m{number}")
