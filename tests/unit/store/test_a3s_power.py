"""Test a store that A3S Power wrote: its manifests are read and left as they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ManifestUnreadable
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.store import ModelStore
from support.model_files import gguf, model_directory
from support.registering import register

MODEL = gguf()
HASH = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    blobs = tmp_path / "home/models/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{HASH}").write_bytes(MODEL)
    return ModelStore(tmp_path / "home")


def write(store: ModelStore, file: str = "llama3.2-3b.json", **fields: Any) -> Path:
    """Write a manifest as A3S Power does, with all fields that it always has."""
    manifest = {
        "name": "llama3.2:3b",
        "format": "gguf",
        "size": len(MODEL),
        "sha256": HASH,
        "parameters": {
            "context_length": 4096,
            "embedding_length": None,
            "parameter_count": 3_000_000_000,
            "quantization": "Q4_K_M",
        },
        "created_at": "2026-02-11T09:30:15.123456789Z",
        "path": str(store.home / "models/blobs" / f"sha256-{HASH}"),
        **fields,
    }
    path = store.home / "models/manifests" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=2))
    return path


@pytest.mark.parametrize("sha256", [HASH, f"sha256:{HASH}", f"sha256-{HASH}", HASH.upper()])
@pytest.mark.parametrize("moved", [False, True])
def test_a_pulled_model_is_read(store: ModelStore, sha256: str, moved: bool) -> None:
    path = {"path": f"/moved/blobs/sha256-{HASH}"} if moved else {}
    before = write(store, sha256=sha256, **path).read_bytes()
    manifest = store.get("llama3.2:3b")
    assert manifest.created == 1770802215
    assert manifest.context_length == 128  # of the file, which is what can be used
    assert "chat" in manifest.capabilities
    [resolved] = store.resolve(manifest)
    assert resolved.read_bytes() == MODEL
    assert store.problems() == []
    assert store.collect_garbage(dry_run=False) == []
    assert (store.home / "models/manifests/llama3.2-3b.json").read_bytes() == before


def test_a_model_that_was_registered_in_place(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(MODEL + b"more")
    digest = hashlib.sha256(MODEL + b"more").hexdigest()
    write(store, path=str(tmp_path / "mine.gguf"), sha256=digest, size=len(MODEL) + 4)
    [file] = store.get("llama3.2:3b").files
    assert (file.name, file.path, file.sha256) == ("mine.gguf", str(tmp_path / "mine.gguf"), digest)


def test_settings_of_a_modelfile(store: ModelStore) -> None:
    write(
        store,
        system_prompt="Be brief.",
        default_parameters={"temperature": 0.3, "num_predict": 5, "mirostat": 9, "weird": 1},
        messages=[{"role": "user", "content": "hi"}],
        template_override="{{ if .System }}{{ .System }}{{ end }}",
        license="MIT",
        family="llama",
        families=["llama"],
    )
    manifest = store.get("llama3.2:3b")
    assert manifest.default_parameters == DefaultParameters(
        temperature=0.3, max_tokens=5, system="Be brief."
    )
    assert manifest.unsupported_settings == ("messages", "mirostat", "template", "weird")
    write(store, template_override="{{ messages[0].content }}")
    assert store.get("llama3.2:3b").default_parameters.chat_template == "{{ messages[0].content }}"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": "remote", "sha256": "", "path": ""}, "its upstream is in the configuration"),
        ({"adapter_path": "/lora.bin"}, "LoRA"),
        ({"format": "safetensors", "path": "/models/llama"}, "Register it again"),
        ({"format": "huggingface", "path": "/models/minilm"}, "Register it again"),
        ({"sha256": "abc"}, "no hash"),
        ({"sha256": "0" * 64, "path": "/gone.gguf"}, "/gone.gguf"),
        ({"projector_path": "/models/mmproj.gguf"}, "/models/mmproj.gguf has no hash"),
    ],
)
def test_a_model_that_cannot_be_used(
    store: ModelStore, fields: dict[str, Any], reason: str
) -> None:
    path = write(store, **fields)
    before = path.read_bytes()
    [problem] = store.problems()
    assert "A3S Power" in problem.reason
    assert reason in problem.reason
    with pytest.raises(ManifestUnreadable, match="A3S Power"):
        store.get("llama3.2:3b")
    # Its blob may be in use.
    assert store.collect_garbage(dry_run=False) == []
    assert path.read_bytes() == before


def test_a_model_becomes_usable_when_its_file_is_back(store: ModelStore, tmp_path: Path) -> None:
    write(store, path=str(tmp_path / "late.gguf"), sha256="1" * 64)
    assert store.problems()
    (tmp_path / "late.gguf").write_bytes(MODEL)
    assert store.problems() == []
    assert store.get("llama3.2:3b").files[0].path == str(tmp_path / "late.gguf")


def test_a_damaged_file_is_a_problem(store: ModelStore) -> None:
    write(store, sha256="2" * 64)
    (store.home / "models/blobs" / f"sha256-{'2' * 64}").write_bytes(b"GGUF, but not really")
    [problem] = store.problems()
    assert "A3S Power" in problem.reason


def test_registering_again_replaces_the_manifest(store: ModelStore, tmp_path: Path) -> None:
    path = write(store, format="safetensors", path="/models/llama")
    directory = model_directory(tmp_path / "llama")
    register(store, "llama3.2:3b", directory, overwrite=True)
    assert store.problems() == []
    assert json.loads(path.read_bytes())["schema"] == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"created_at": "yesterday"}, "missing required field"),
        ({"created_at": "0001-01-01T00:00:00"}, "missing required field"),
        ({"created_at": "2026-02-11T09:30:15+99:00"}, "missing required field"),
        ({"path": "/a\0b", "sha256": "0" * 64}, "does not exist"),
        ({"projector_path": f"/a\0b/{'0' * 64}"}, "does not exist"),
    ],
)
def test_an_odd_manifest_hides_no_other_model(
    store: ModelStore, fields: dict[str, Any], reason: str
) -> None:
    write(store, "good.json", name="good")
    write(store, "bad.json", name="bad", **fields)
    assert [manifest.name for manifest in store.list()] == ["good"]
    [problem] = store.problems()
    assert problem.file == "bad.json"
    assert reason in problem.reason
