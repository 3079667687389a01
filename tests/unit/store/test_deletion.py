"""What the deletion of a model would free and keep, compared with the deletion."""

from __future__ import annotations

from pathlib import Path

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Deletion, Manifest, RegisterRequest
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.deletion import preview_deletion
from a3s_power_jupyter.store.manifest import MANIFESTS
from a3s_power_jupyter.store.prompts import prompt_folder


def register(store: ModelStore, name: str, path: Path, *, copy: bool = False) -> Manifest:
    request = RegisterRequest(name=name, path=str(path), copy=copy)
    return store.register(request, DefaultParameters())[0]


def save_prompt(home: Path, manifest: Manifest) -> None:
    folder = prompt_folder(home, manifest) / "key"
    folder.mkdir(parents=True)
    (folder / "prompt").write_bytes(bytes(10))


def check(store: ModelStore, manifest: Manifest, expected: Deletion) -> None:
    assert preview_deletion(store, manifest) == expected
    assert preview_deletion(store, manifest) == expected  # nothing was changed
    assert store.delete(manifest.name) == expected.freed_bytes


def test_a_file_in_place_stays_and_its_prompts_are_freed(
    store: ModelStore, home: Path, model: Path
) -> None:
    manifest = register(store, "a", model)
    save_prompt(home, manifest)
    check(store, manifest, Deletion(10, kept_paths=(str(model),)))
    assert model.exists()


def test_a_blob_is_freed_with_the_last_model_that_uses_it(
    store: ModelStore, home: Path, model: Path
) -> None:
    size = model.stat().st_size
    first = register(store, "a", model, copy=True)
    second = register(store, "b", model, copy=True)
    save_prompt(home, first)
    check(store, first, Deletion(0, shared_with=("b",)))
    check(store, second, Deletion(size + 10))


def test_blobs_stay_while_a_manifest_cannot_be_read(
    store: ModelStore, home: Path, model: Path
) -> None:
    manifest = register(store, "a", model, copy=True)
    (home / MANIFESTS / "bad.json").write_text("{")
    check(store, manifest, Deletion(0))
