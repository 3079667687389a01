"""The warm prompts of models go with the models, and with garbage collection."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.manifest import MANIFESTS
from a3s_power_jupyter.store.prompts import prompt_folder
from support.model_files import LLAMA, gguf


def register(store: ModelStore, name: str, path: Path, **parameters: int) -> Manifest:
    defaults = DefaultParameters(**parameters)  # type: ignore[arg-type]
    request = RegisterRequest(name=name, path=str(path), overwrite=True)
    return store.register(request, defaults)[0]


def save_prompt(home: Path, manifest: Manifest) -> Path:
    """Write 10 bytes as a worker does, and return the folder of the model's prompts."""
    folder = prompt_folder(home, manifest)
    (folder / "key").mkdir(parents=True, exist_ok=True)
    (folder / "key" / "a.prompt").write_bytes(b"0123456789")
    return folder


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    path = tmp_path / "other.gguf"
    path.write_bytes(gguf(LLAMA | {"llama.context_length": 64}))
    return path


def test_the_same_file_under_another_name_has_the_same_prompts(
    store: ModelStore, home: Path, model: Path, tmp_path: Path, other_model: Path
) -> None:
    copied = tmp_path / "copied.gguf"
    copied.write_bytes(model.read_bytes())
    first, second = register(store, "a", model), register(store, "b", copied, num_ctx=64)
    assert prompt_folder(home, first) == prompt_folder(home, second)
    assert prompt_folder(home, first) != prompt_folder(home, register(store, "c", other_model))


def test_files_of_a_directory_that_change_places_have_other_prompts(home: Path) -> None:
    def directory(*names: str) -> Manifest:
        files = [{"name": name, "sha256": f"{n:064}", "size": 1} for n, name in enumerate(names)]
        manifest = {"name": "m", "format": "safetensors", "created": 1, "files": files}
        return msgspec.convert(manifest, Manifest)

    one, two = directory("a.json", "b.json"), directory("b.json", "a.json")
    assert prompt_folder(home, one) != prompt_folder(home, two)


def test_prompts_are_deleted_with_the_last_model_of_the_files(
    store: ModelStore, home: Path, model: Path
) -> None:
    folder = save_prompt(home, register(store, "a", model))
    register(store, "b", model)
    assert store.delete("a") == 0
    assert folder.exists()
    assert store.delete("b") == 10
    assert not folder.exists()


def test_prompts_are_deleted_when_the_model_is_replaced(
    store: ModelStore, home: Path, model: Path, other_model: Path
) -> None:
    folder = save_prompt(home, register(store, "a", model))
    register(store, "a", model, num_ctx=64)
    assert folder.exists()
    register(store, "a", other_model)
    assert not folder.exists()


def test_a_damaged_manifest_does_not_keep_the_prompts_of_a_deleted_model(
    store: ModelStore, home: Path, model: Path
) -> None:
    folder = save_prompt(home, register(store, "a", model))
    (home / MANIFESTS / "bad.json").write_text("{")
    store.delete("a")
    assert not folder.exists()


# ---------------------------------------------------------------- garbage collection


def test_prompts_of_no_model_are_garbage(
    store: ModelStore, home: Path, model: Path, other_model: Path
) -> None:
    kept = save_prompt(home, register(store, "a", model))
    unused = save_prompt(home, register(store, "b", other_model))
    store.delete("b")
    save_prompt(home, Manifest("gone", "gguf", created=1))
    (home / "prompts" / "notes.txt").write_text("mine")
    found = store.collect_garbage(dry_run=True)
    assert [(item.kind, item.size) for item in found] == [("prompts", 10)]
    assert store.collect_garbage(dry_run=False) == found
    assert {path.name for path in (home / "prompts").iterdir()} == {kept.name, "notes.txt"}
    assert not unused.exists()


def test_all_prompts_are_garbage_once_they_are_switched_off(
    store: ModelStore, home: Path, model: Path
) -> None:
    folder = save_prompt(home, register(store, "a", model))
    assert store.collect_garbage(dry_run=False) == []
    [removed] = ModelStore(home, keep_prompts=False).collect_garbage(dry_run=False)
    assert (removed.kind, removed.name) == ("prompts", folder.name)
    assert not folder.exists()


def test_prompts_stay_while_a_manifest_is_unreadable(
    store: ModelStore, home: Path, model: Path
) -> None:
    register(store, "a", model)
    folder = save_prompt(home, Manifest("gone", "gguf", created=1))
    (home / MANIFESTS / "bad.json").write_text("{")
    assert store.collect_garbage(dry_run=False) == []
    assert folder.exists()


def test_unfinished_prompts_are_garbage_after_a_while(
    store: ModelStore, home: Path, model: Path
) -> None:
    folder = save_prompt(home, register(store, "a", model))
    new, old = folder / "key" / "tmp-1", folder / "key" / "tmp-2"
    for path in (new, old):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    [removed] = store.collect_garbage(dry_run=False)
    assert (removed.kind, removed.name, removed.size) == ("temporary", "tmp-2", 1)
    assert new.exists()
    assert not old.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_nothing_outside_the_home_is_removed(
    store: ModelStore, home: Path, model: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"0123456789")
    folder = save_prompt(home, register(store, "a", model))
    (folder / "link").symlink_to(outside)
    (home / "prompts" / "link").symlink_to(outside)
    store.delete("a")
    store.collect_garbage(dry_run=False)
    assert (outside / "mine").exists()
