"""Test registering models in place, as copies, repeatedly and over other models."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    FileChanged,
    FileNotFound,
    InsufficientDisk,
    ModelAlreadyExists,
    ModelNotFound,
    PowerError,
    StoreUnavailable,
)
from a3s_power_jupyter.contract.types import Manifest, Source, StoredFile
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.blobs import copy_hashing
from a3s_power_jupyter.store.defaults import change_parameters
from a3s_power_jupyter.store.files import source_file
from a3s_power_jupyter.store.registrar import Registrar
from a3s_power_jupyter.store.stored_files import restoring
from a3s_power_jupyter.store.wording import MagicWording
from support.model_files import LLAMA, gguf, model_directory, smollm2
from support.registering import register

FULL = Path("/dev/full")
MEMORY = Path("/dev/shm")  # noqa: S108 - another file system, so that no copy is a reflink


def blobs(store: ModelStore) -> list[Path]:
    return sorted((store.blobs.path("").parent).iterdir())


# ---------------------------------------------------------------- in place


def test_the_real_model_in_place(store: ModelStore) -> None:
    manifest, changed = register(store, "smollm2:135m", smollm2())
    assert changed
    assert manifest == store.get("smollm2:135m") == store.list()[0]
    assert store.resolve(manifest) == [smollm2()]
    [file] = manifest.files
    assert file.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert manifest.format == "gguf"
    assert manifest.size_bytes == smollm2().stat().st_size
    assert manifest.source.path == str(smollm2())
    assert store.delete("smollm2:135m") == 0
    assert smollm2().exists()


def test_reading_creates_nothing(store: ModelStore, tmp_path: Path) -> None:
    assert store.list() == []
    assert store.problems() == []
    assert store.collect_garbage(dry_run=False) == []
    with pytest.raises(PowerError):
        store.get("a")
    with pytest.raises(PowerError):
        store.delete("a")
    with pytest.raises(PowerError):
        register(store, "a", tmp_path / "none.gguf")
    assert not (tmp_path / "home").exists()


def test_the_manifest_is_written_as_json(store: ModelStore, model: Path, tmp_path: Path) -> None:
    manifest, _ = register(store, "llama3.2:3b", model, default_parameters={"num_ctx": 64})
    text = (tmp_path / "home/models/manifests/llama3.2-3b.json").read_bytes()
    assert msgspec.json.decode(text, type=Manifest) == manifest
    assert manifest.default_parameters.num_ctx == 64


def test_registering_again_changes_nothing(store: ModelStore, model: Path) -> None:
    first, _ = register(store, "a", model)
    assert register(store, "a", model) == (first, False)
    assert register(store, "a", model, overwrite=True) == (first, False)


def test_the_same_content_at_another_path_moves_the_model(
    store: ModelStore, model: Path, tmp_path: Path
) -> None:
    first, _ = register(store, "a", model)
    moved = model.rename(tmp_path / "moved.gguf")
    second, changed = register(store, "a", moved)
    assert changed
    assert second.created == first.created
    assert store.resolve(store.get("a")) == [moved]


@pytest.mark.parametrize(
    ("change", "more"),
    [("content", {}), ("parameters", {"default_parameters": {"num_ctx": 64}})],
)
def test_other_content_requires_overwrite(
    store: ModelStore, model: Path, change: str, more: dict[str, Any]
) -> None:
    register(store, "a", model)
    if change == "content":
        model.write_bytes(gguf(LLAMA | {"llama.context_length": 256}))
    with pytest.raises(ModelAlreadyExists):
        register(store, "a", model, **more)
    manifest, changed = register(store, "a", model, overwrite=True, **more)
    assert changed
    assert store.get("a") == manifest


def test_a_file_that_changed_or_was_deleted(store: ModelStore, model: Path) -> None:
    manifest, _ = register(store, "a", model)
    os.utime(model, ns=(1, 1))
    with pytest.raises(FileChanged, match=r'with "overwrite": true\.$'):
        store.resolve(manifest)
    change_parameters(store, "a", {"temperature": 0.3})
    with pytest.raises(FileChanged, match="true and give its default parameters again"):
        store.resolve(store.get("a"))
    again, changed = register(store, "a", model)  # the same content: no overwrite needed
    assert changed
    assert store.resolve(again) == [model]
    model.unlink()
    with pytest.raises(FileNotFound, match=str(model)):
        store.resolve(again)


def test_a_file_that_was_just_written_is_hashed_again(store: ModelStore, model: Path) -> None:
    first, _ = register(store, "a", model)
    before = model.stat()
    model.write_bytes(gguf(LLAMA | {"llama.context_length": 256}))
    os.utime(model, ns=(before.st_mtime_ns, before.st_mtime_ns))
    second, _ = register(store, "b", model)
    assert second.files[0].sha256 != first.files[0].sha256


def test_a_known_file_is_not_hashed_again(store: ModelStore, model: Path, tmp_path: Path) -> None:
    os.utime(model, (1, 1))
    first, _ = register(store, "a", model)
    content = bytearray(model.read_bytes())
    content[-1] ^= 1  # only hashing would detect this change of the content
    model.write_bytes(content)
    os.utime(model, (1, 1))
    link = tmp_path / "link.gguf"
    link.symlink_to(model)
    second, _ = register(store, "b", link)
    assert second.files[0].sha256 == first.files[0].sha256
    assert second.files[0].path == str(link)


def test_a_path_with_a_tilde(
    store: ModelStore, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    manifest, _ = register(store, "a", "~/model.gguf")
    assert manifest.files[0].path == str(model)


# ---------------------------------------------------------------- copies


def test_a_copy_does_not_need_the_original(store: ModelStore, model: Path) -> None:
    content = model.read_bytes()
    manifest, changed = register(store, "a", model, copy=True)
    assert changed
    model.unlink()
    [path] = store.resolve(manifest)
    assert path.read_bytes() == content
    assert path.name == f"sha256-{hashlib.sha256(content).hexdigest()}"
    assert blobs(store) == [path]
    assert manifest.files[0].path is UNSET


def test_two_names_share_a_blob_until_both_are_deleted(store: ModelStore, model: Path) -> None:
    register(store, "a", model, copy=True)
    register(store, "b", model, copy=True)
    assert len(blobs(store)) == 1
    assert store.delete("a") == 0
    assert len(blobs(store)) == 1
    assert store.delete("b") == model.stat().st_size
    assert blobs(store) == []
    assert model.exists()


def test_overwriting_a_copy_frees_its_blob(store: ModelStore, model: Path) -> None:
    first, _ = register(store, "a", model, copy=True)
    model.write_bytes(gguf(LLAMA | {"llama.context_length": 256}))
    second, _ = register(store, "a", model, copy=True, overwrite=True)
    assert blobs(store) == store.resolve(second)
    third, changed = register(store, "a", model)
    assert (third, changed) == (second, False)  # the copy stays, because it is safer
    with pytest.raises(FileNotFound):
        store.resolve(first)


def test_a_model_in_place_becomes_a_copy_on_request(store: ModelStore, model: Path) -> None:
    register(store, "a", model)
    manifest, changed = register(store, "a", model, copy=True)
    assert changed
    assert store.resolve(manifest) == blobs(store)


def test_registering_again_restores_a_damaged_blob(store: ModelStore, model: Path) -> None:
    manifest, _ = register(store, "a", model, copy=True)
    [blob] = blobs(store)
    blob.write_bytes(b"")
    with pytest.raises(FileChanged, match=r"wrong size: it has 0 bytes.*Register .a. again from"):
        store.resolve(manifest)
    _, changed = register(store, "a", model, copy=True)
    assert changed
    assert store.resolve(manifest) == [blob]


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_registering_again_keeps_default_parameters(
    store: ModelStore, model: Path, damage: str
) -> None:
    register(store, "a", model, copy=True)
    template = "{{ tools }}{{ messages }}"
    changes = {"temperature": 0.3, "stop": ["END"], "chat_template": template}
    _, changed = change_parameters(store, "a", changes)
    [blob] = blobs(store)
    if damage == "missing":
        blob.unlink()
    else:
        os.truncate(blob, 1)
    restored, _ = register(store, "a", model, copy=True)
    assert restored == changed == store.get("a")
    assert store.resolve(restored) == [blob]
    assert register(store, "a", model) == (restored, False)


def test_given_parameters_are_other_ones(store: ModelStore, model: Path) -> None:
    kept, _ = register(store, "a", model, default_parameters={"temperature": 0.3})
    with pytest.raises(ModelAlreadyExists):
        register(store, "a", model, default_parameters={})
    assert register(store, "a", model, default_parameters={"temperature": 0.3}) == (kept, False)
    replaced, changed = register(store, "a", model, overwrite=True)
    assert changed
    assert replaced.default_parameters.temperature is UNSET


def test_other_content_does_not_get_the_parameters(store: ModelStore, model: Path) -> None:
    kept, _ = register(store, "a", model, copy=True, default_parameters={"temperature": 0.3})
    model.write_bytes(gguf(LLAMA | {"llama.context_length": 256}))
    with pytest.raises(ModelAlreadyExists):
        register(store, "a", model, copy=True)
    assert store.get("a") == kept


def test_a_directory_in_place_of_a_blob(store: ModelStore, model: Path) -> None:
    manifest, _ = register(store, "a", model, copy=True)
    [blob] = blobs(store)
    blob.unlink()
    blob.mkdir()
    with pytest.raises(FileNotFound, match=rf"A directory .*{blob}.* Remove .*, then register 'a'"):
        store.resolve(manifest)
    with pytest.raises(StoreUnavailable, match=rf"{blob} is a directory, not a file\. Remove it"):
        register(store, "a", model, copy=True)
    blob.rmdir()
    register(store, "a", model, copy=True)
    assert store.resolve(manifest) == [blob]


def test_advice_names_the_projector_and_quotes_paths(store: ModelStore, model: Path) -> None:
    manifest, _ = register(store, "a", model, copy=True)
    files = (*manifest.files, StoredFile("mmproj.gguf", 1, "0" * 64, role="mmproj"))
    source = Source(path="/my models/a.gguf")
    manifest = msgspec.structs.replace(manifest, files=files, source=source)
    assert restoring(manifest) == (
        "register 'a' again from /my models/a.gguf and its projector mmproj.gguf as \"mmproj\", "
        'with "copy": true'
    )
    command = "%power register a '/my models/a.gguf' --mmproj mmproj.gguf --copy"
    assert restoring(manifest, MagicWording()) == f"register 'a' again ({command})"


def test_errors_of_blobs_say_how_to_restore_them(store: ModelStore, model: Path) -> None:
    copied, _ = register(store, "a", model, copy=True)
    pulled = msgspec.structs.replace(copied, source=Source(reference="hub/model:q4"))
    unknown = msgspec.structs.replace(copied, source=Source())
    [blob] = blobs(store)
    size = blob.stat().st_size
    for damage, error, reason in (
        (lambda: os.truncate(blob, size - 1), FileChanged, f"has {size - 1:,} bytes, .*{size:,}"),
        (blob.unlink, FileNotFound, "missing in the store"),
    ):
        damage()
        for manifest, advice in (
            (copied, f"Register 'a' again from {model} with"),
            (pulled, r"Pull 'hub/model:q4' again\."),
            (unknown, "Register 'a' again with"),
        ):
            with pytest.raises(error, match=rf"{reason}.*\. {advice}"):
                store.resolve(manifest)


def test_a_blob_that_is_removed_after_the_import(
    store: ModelStore, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(store, "a", model, copy=True)
    usable_with = Registrar._usable_with

    def removed_by_another_process(registrar: Registrar, *new: Any) -> Manifest | None:
        with suppress(ModelNotFound):
            ModelStore(store.home).delete("a")
        return usable_with(registrar, *new)

    monkeypatch.setattr(Registrar, "_usable_with", removed_by_another_process)
    manifest, _ = register(store, "b", model, copy=True)
    assert [path.read_bytes() for path in blobs(store)] == [model.read_bytes()]
    assert store.resolve(manifest) == blobs(store)


def test_a_directory_as_a_copy(store: ModelStore, tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    manifest, _ = register(store, "a", path, copy=True)
    contents = {file.name: file for file in manifest.files}
    assert contents.keys() == {file.name for file in path.iterdir()}
    for file, blob in zip(manifest.files, store.resolve(manifest), strict=True):
        assert blob.read_bytes() == (path / file.name).read_bytes()


@pytest.mark.skipif(not MEMORY.exists(), reason="needs /dev/shm")
def test_a_copy_that_cannot_fit_is_refused_before_it_begins(
    store: ModelStore, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "model.gguf"
        path.write_bytes(gguf())
        os.truncate(path, shutil.disk_usage(tmp_path).total)  # sparse
        with pytest.raises(InsufficientDisk, match=r"needs [\d,]+ bytes"):
            register(store, "a", path, copy=True)
    assert blobs(store) == []
    assert store.list() == []


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_raises_insufficient_disk(store: ModelStore, model: Path) -> None:
    with pytest.raises(InsufficientDisk), store.locked(), FULL.open("wb", 0) as full:
        copy_hashing(source_file(model), full)


def test_a_store_that_cannot_be_written(tmp_path: Path, model: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(PowerError, match="A3S_POWER_HOME"):
        register(ModelStore(tmp_path / "home"), "a", model, copy=True)


def test_a_file_that_changes_while_it_is_read(store: ModelStore, model: Path) -> None:
    source = source_file(model)
    model.write_bytes(gguf() + b"\0")
    with pytest.raises(FileChanged), store.blobs.import_files([source]):
        pass
    assert blobs(store) == []


def test_created_is_the_time_of_the_registration(store: ModelStore, model: Path) -> None:
    before = int(time.time())
    created = register(store, "a", model)[0].created
    assert before <= created <= time.time()
