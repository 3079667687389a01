"""Test homes of other users, whose models are used and never changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import (
    FileChanged,
    FileNotFound,
    Forbidden,
    ManifestUnreadable,
    ModelNotFound,
)
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.conversions import conversion_of
from a3s_power_jupyter.store.defaults import change_parameters
from a3s_power_jupyter.store.deletion import preview_deletion
from a3s_power_jupyter.store.shared import SharedHomes
from support.model_files import gguf
from support.privileges import without_privileges
from support.registering import register


@pytest.fixture
def shared(tmp_path: Path) -> ModelStore:
    """A store with a model that was copied and one in place."""
    (tmp_path / "model.gguf").write_bytes(gguf())
    (tmp_path / "other.gguf").write_bytes(gguf(fill=b"\1"))
    store = ModelStore(tmp_path / "shared")
    register(store, "both", tmp_path / "model.gguf", copy=True)
    register(store, "in-place", tmp_path / "other.gguf")
    return store


@pytest.fixture
def store(tmp_path: Path, shared: ModelStore) -> Iterator[ModelStore]:
    before = content_of(shared.home)
    yield ModelStore(tmp_path / "own", shared_homes=[shared.home, tmp_path / "gone"])
    assert content_of(shared.home) == before


def content_of(folder: Path) -> dict[Path, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_models_are_listed_and_used(store: ModelStore, shared: ModelStore) -> None:
    assert [manifest.name for manifest in store.list()] == ["both", "in-place"]
    manifest = store.get("both")
    assert store.resolve(manifest) == shared.resolve(shared.get("both"))
    assert manifest.source.shared_home == str(shared.home)
    assert not store.home.exists()
    [problem] = store.problems()
    assert "does not exist" in problem.reason


def test_own_models_hide_shared_ones(store: ModelStore, shared: ModelStore, tmp_path: Path) -> None:
    register(store, "both", tmp_path / "other.gguf", copy=True)
    [path] = store.resolve(store.get("both"))
    assert path.is_relative_to(store.home)
    store.delete("both")
    [path] = store.resolve(store.get("both"))
    assert path.is_relative_to(shared.home)


def test_a_shared_model_cannot_be_deleted(store: ModelStore) -> None:
    for delete in (
        lambda: store.delete("both"),
        lambda: preview_deletion(store, store.get("both")),
    ):
        with pytest.raises(Forbidden, match="administrator"):
            delete()
    with pytest.raises(ModelNotFound):
        store.delete("neither")
    assert not store.home.exists()


def test_default_parameters_are_changed_in_the_own_home(store: ModelStore) -> None:
    _, after = change_parameters(store, "both", {"temperature": 0.3})
    assert store.get("both") == after
    assert after.default_parameters.temperature == 0.3
    assert store.resolve(after)
    assert store.collect_garbage(dry_run=False) == []
    assert preview_deletion(store, after).freed_bytes == 0
    store.delete("both")
    assert store.get("both").default_parameters.temperature is msgspec.UNSET


def test_a_copy_of_a_shared_model(store: ModelStore) -> None:
    manifest, _ = store.copy("both", "mine")
    assert store.resolve(manifest) == store.resolve(store.get("both"))
    store.delete("mine")


def test_changes_of_the_shared_home_are_seen(tmp_path: Path, shared: ModelStore) -> None:
    store = ModelStore(tmp_path / "own", shared_homes=[shared.home])
    manifest = store.get("both")
    shared.delete("both")
    with pytest.raises(ModelNotFound):
        store.get("both")
    with pytest.raises(FileNotFound):
        store.resolve(manifest)
    register(shared, "new", tmp_path / "model.gguf")
    assert store.get("new")


def test_a_damaged_file_of_a_shared_home_is_for_its_administrator(
    tmp_path: Path, shared: ModelStore
) -> None:
    store = ModelStore(tmp_path / "own", shared_homes=[shared.home])
    [blob] = store.resolve(store.get("both"))
    advice = f"Tell the administrator of the shared home {shared.home}"
    os.truncate(blob, 3)
    with pytest.raises(FileChanged, match=f"has 3 bytes.*{advice}"):
        store.resolve(store.get("both"))
    blob.unlink()
    with pytest.raises(FileNotFound, match=f"missing.*{advice}"):
        store.resolve(store.get("both"))


def test_conversions_of_a_shared_home(tmp_path: Path, shared: ModelStore) -> None:
    store = ModelStore(tmp_path / "own", shared_homes=[shared.home])
    record = msgspec.structs.replace(
        conversion_of(shared.get("both"), "Q8_0"), sha256="4" * 64, size=9
    )
    wanted = conversion_of(store.get("both"), "Q8_0")
    assert wanted.key == record.key
    shared.save_conversion(record, None)
    assert store.find_conversion(wanted) is None  # there is no result
    result = shared.blobs.path("4" * 64)
    result.write_bytes(b"converted")
    assert store.find_conversion(wanted) == record
    assert store.converted_path(record) == result


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_home_that_may_not_be_read(store: ModelStore, shared: ModelStore) -> None:
    shared.home.chmod(0)
    try:
        assert store.list() == []
        assert len(store.problems()) == 2
    finally:
        shared.home.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
@pytest.mark.parametrize("private", ["", "models", "models/manifests"])
def test_a_home_of_another_user_that_is_private(private: str) -> None:
    """Folders of the store are private until their owner shares them."""
    with tempfile.TemporaryDirectory() as temporary:  # below a folder that everybody may enter
        folder = Path(temporary)
        (folder / "model.gguf").write_bytes(gguf())
        shared = ModelStore(folder / "shared")
        register(shared, "both", folder / "model.gguf", copy=True)
        for path in (folder, shared.home, *shared.home.rglob("*")):
            path.chmod(0o755)
        (shared.home / private).chmod(0)
        store = ModelStore(folder / "own", shared_homes=[shared.home])
        with without_privileges():
            found = SharedHomes([shared.home]).read()
        (shared.home / private).chmod(0o755)
        assert found.manifests == {}
        [problem] = found.problems
        assert (problem.file, "may not read" in problem.reason) == (str(shared.home), True)
        assert [manifest.name for manifest in store.list()] == ["both"]


def test_a_damaged_manifest_hides_no_other_model(tmp_path: Path, shared: ModelStore) -> None:
    (shared.home / "models/manifests/bad.json").write_text("{")
    store = ModelStore(tmp_path / "own", shared_homes=[shared.home])
    assert [manifest.name for manifest in store.list()] == ["both", "in-place"]
    [problem] = store.problems()
    assert problem.file == str(shared.home / "models/manifests/bad.json")
    with pytest.raises(ManifestUnreadable, match="in a shared home cannot be read"):
        store.get("bad")
    # It belongs to another home, so it does not keep unused blobs of this one.
    orphan = store.home / f"models/blobs/sha256-{'0' * 64}"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"orphan")
    assert [removed.kind for removed in store.collect_garbage(dry_run=False)] == ["orphan_blob"]


def test_a_home_that_the_system_cannot_look_at(tmp_path: Path, shared: ModelStore) -> None:
    # As a dead mount, this path raises an error that does not mean "no such folder".
    dead = tmp_path / ("x" * 300)
    store = ModelStore(tmp_path / "own", shared_homes=[dead, shared.home])
    assert store.get("both")
    assert "does not exist" in store.problems()[0].reason


def test_an_odd_path_of_another_user(tmp_path: Path, shared: ModelStore) -> None:
    [path] = (shared.home / "models/manifests").glob("in-place*.json")
    path.write_text(path.read_text().replace(str(tmp_path), "/a\\u0000b"))
    store = ModelStore(tmp_path / "own", shared_homes=[shared.home])
    with pytest.raises(FileNotFound, match="does not exist"):
        store.resolve(store.get("in-place"))
