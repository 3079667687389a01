"""Test that reading a store is enough to check it, and that what cannot be read is reported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import StoreUnavailable
from a3s_power_jupyter.fsck.check import check_store, repair
from a3s_power_jupyter.fsck.finding import Finding
from a3s_power_jupyter.store import ModelStore
from support.model_files import gguf
from support.privileges import without_privileges
from support.registering import register

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")


@pytest.fixture
def store() -> Iterator[ModelStore]:
    """A store with one model, which everybody may read and nobody may write."""
    # Not in tmp_path: other users cannot enter its parent directories.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        model = Path(folder) / "model.gguf"
        model.write_bytes(gguf())
        store = ModelStore(Path(folder) / "home")
        register(store, "a", model, copy=True)
        (store.home / "pulls").mkdir()
        share(store)
        yield store
        for path in (store.home, *folders(store)):
            path.chmod(0o755)


def folders(store: ModelStore) -> list[Path]:
    return [path for path in store.home.rglob("*") if path.is_dir()]


def share(store: ModelStore) -> None:
    for path in (store.home, *store.home.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def found(store: ModelStore) -> list[Finding]:
    with without_privileges():
        return check_store(store, contents=True)


def put(path: Path, mode: int = 0o444) -> Path:
    path.parent.chmod(0o755)
    path.write_bytes(b"of another user")
    path.chmod(mode)
    path.parent.chmod(0o555)
    return path


def test_reading_is_enough(store: ModelStore) -> None:
    assert found(store) == []
    orphan = put(store.blobs.path("0" * 64))
    [finding] = found(store)
    assert finding.path == orphan
    with without_privileges():
        [outcome] = repair([finding]).values()
    assert "cannot be written" in str(outcome.error)
    assert orphan.exists()


def test_findings_without_the_lock_say_so(store: ModelStore) -> None:
    store.lock_path.chmod(0o600)
    if os.geteuid() != 0:
        store.lock_path.chmod(0)
    assert found(store) == []
    put(store.blobs.path("0" * 64))
    assert [finding.path for finding in found(store)][1:] == [store.lock_path]
    assert "may not use the lock" in found(store)[1].reason


def test_a_temporary_file_of_another_user_has_a_writer(store: ModelStore) -> None:
    put(store.home / "models/blobs/tmp-1", mode=0)
    assert found(store) == []


@pytest.mark.parametrize("folder", ["models/blobs", "models/conversions"])
def test_a_folder_that_cannot_be_read(store: ModelStore, folder: str) -> None:
    store.conversions.directory.parent.chmod(0o755)
    store.conversions.directory.mkdir()
    (store.home / folder).chmod(0o111)
    [finding] = found(store)
    assert (finding.kind, finding.path) == ("problem", store.home / folder)
    assert "not checked: Permission denied." in finding.reason


def test_pulls_and_prompts_are_for_the_owner_only(store: ModelStore) -> None:
    """As after the commands of docs/scaling.md, with a pull in progress."""
    put(store.home / f"models/blobs/partial-{'1' * 64}")
    put(store.home / f"pulls/{'1' * 64}.json")
    store.home.chmod(0o755)
    (store.home / "prompts").mkdir()
    for path in (store.home / "pulls", store.home / "prompts", store.lock_path):
        path.chmod(0)
    store.home.chmod(0o555)
    findings = found(store)
    assert [(f.kind, f.path.name) for f in findings] == [("note", "pulls"), ("note", "prompts")]
    assert "for the owner of the store only" in findings[0].reason


def test_a_content_that_cannot_be_read(store: ModelStore) -> None:
    [blob] = store.resolve(store.get("a"))
    blob.chmod(0)
    [finding] = found(store)
    assert (finding.kind, finding.path) == ("problem", blob)
    assert finding.reason.startswith("a: The server cannot read")
    assert finding.repair is None


@pytest.mark.parametrize("suffix", [".json", ".lock"])
def test_a_pull_that_cannot_be_read(store: ModelStore, suffix: str) -> None:
    path = put(store.home / f"pulls/{'1' * 64}{suffix}", mode=0)
    [finding] = found(store)
    assert (finding.kind, finding.path) == ("problem", path)
    assert "Permission denied" in finding.reason
    assert ".." not in finding.reason


def test_manifests_that_cannot_be_read(store: ModelStore) -> None:
    (store.home / "models/manifests/a.json").chmod(0)
    [finding, _] = found(store)
    assert finding.reason == "The manifest cannot be read: Permission denied."
    assert "this user can read" in finding.advice
    store.home.joinpath("models/manifests").chmod(0)
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        found(store)
