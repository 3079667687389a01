"""Test that a check finds each fault of a store, says what to do, and that a repair mends it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import StoreUnavailable
from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.fsck.check import check_store, repair
from a3s_power_jupyter.fsck.finding import Finding
from a3s_power_jupyter.hub.states import PullState
from a3s_power_jupyter.hub.transfer.partial_state import PartialPaths, PartialState, write_state
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.conversions import conversion_of
from a3s_power_jupyter.store.locks import ProcessLock
from support.model_files import gguf, model_directory
from support.registering import register

URL = "https://hub.example/owner/repo/resolve/main/model.gguf"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with a model that was copied and one that is in place."""
    (tmp_path / "model.gguf").write_bytes(gguf())
    (tmp_path / "other.gguf").write_bytes(gguf(fill=b"\1"))
    store = ModelStore(tmp_path / "home")
    register(store, "copied", tmp_path / "model.gguf", copy=True)
    register(store, "in-place", tmp_path / "other.gguf")
    assert found(store) == []
    return store


def found(store: ModelStore, *, contents: bool = True) -> list[Finding]:
    return check_store(store, contents=contents)


def only(store: ModelStore, kind: str) -> Finding:
    [finding] = found(store)
    assert finding.kind == kind
    return finding


def mended(store: ModelStore) -> list[Finding]:
    """Repair, and return what a second check finds."""
    assert repair(found(store)) == {}
    return found(store)


def blob(store: ModelStore) -> Path:
    [path] = store.resolve(store.get("copied"))
    return path


def test_a_home_that_does_not_exist(tmp_path: Path) -> None:
    assert check_store(ModelStore(tmp_path / "none"), contents=True) == []
    assert not (tmp_path / "none").exists()


def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/models").write_text("a file")
    with pytest.raises(StoreUnavailable):
        check_store(ModelStore(tmp_path / "home"), contents=False)


@pytest.mark.parametrize(
    ("text", "reason", "advice"),
    [
        ("{", "truncated", "Register or pull the model again"),
        ('{"name": "a"}', "format", "Register or pull 'a' again"),
        ('{"name": "a", "schema": 3}', "newer version", "Upgrade"),
    ],
)
def test_a_manifest_that_cannot_be_read(
    store: ModelStore, text: str, reason: str, advice: str
) -> None:
    path = store.home / "models/manifests/a.json"
    path.write_text(text)
    finding = only(store, "problem")
    assert finding.path == path
    assert reason in finding.reason
    assert advice in finding.advice
    assert [f.path for f in mended(store)] == [path]
    assert path.read_text() == text


def test_a_directory_that_a3s_power_registered(store: ModelStore, tmp_path: Path) -> None:
    model_directory(tmp_path / "llama")
    manifest = {
        "name": "llama",
        "format": "safetensors",
        "size": 1,
        "sha256": "",
        "parameters": None,
        "created_at": "2026-02-11T09:30:15Z",
        "path": str(tmp_path / "llama"),
    }
    (store.home / "models/manifests/llama.json").write_text(json.dumps(manifest))
    assert "register it in place" in only(store, "problem").action
    assert mended(store) == []
    assert store.get("llama").format == "safetensors"


def test_a_blob_that_is_missing_or_too_short(store: ModelStore) -> None:
    path = blob(store)
    content = path.read_bytes()
    for damage, reason in (
        (lambda: path.write_bytes(content[:-1]), f"should have {len(content):,}"),
        (path.unlink, "missing in the store"),
    ):
        damage()
        finding = only(store, "problem")
        assert reason in finding.reason
        assert "Register 'copied' again" in finding.reason
        assert len(mended(store)) == 1
        assert store.get("copied")


def test_a_blob_with_another_content(store: ModelStore) -> None:
    path = blob(store)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    assert found(store, contents=False) == []
    finding = only(store, "problem")
    assert "SHA-256" in finding.reason
    assert "fetches it again" in finding.action
    [left] = mended(store)
    assert "missing" in left.reason
    assert not path.exists()


def test_files_in_place_that_changed(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.touch()
    assert "changed" in only(store, "problem").reason
    path.unlink()
    finding = only(store, "problem")
    assert finding.path == path
    assert "moved or deleted" in finding.reason


def test_a_content_in_place_that_changed_unnoticed(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=times)
    finding = only(store, "problem")
    assert finding.repair is None
    assert '"overwrite": true' in finding.advice
    mended(store)
    assert path.exists()


def test_leftovers(store: ModelStore) -> None:
    blobs, pulls = store.home / "models/blobs", store.home / "pulls"
    pulls.mkdir()
    leftovers = {
        blobs / f"sha256-{'0' * 64}": b"orphan",
        blobs / f"partial-{'1' * 64}": b"without a state",
        blobs / "tmp-a-copy": b"torn",
        store.home / "models/manifests/tmp-b": b"torn",
        pulls / f"{'2' * 64}.ranges": b"without a state",
        pulls / f"{'3' * 64}.lock": b"",
    }
    for path, content in leftovers.items():
        path.write_bytes(content)
    findings = found(store)
    assert {f.path for f in findings} == {*leftovers}
    assert {f.kind for f in findings} == {"leftover"}
    assert all(path.exists() for path in leftovers)
    assert mended(store) == []
    assert not any(path.exists() for path in leftovers)
    assert blob(store).exists()


def test_blobs_are_kept_while_a_manifest_is_unreadable(store: ModelStore) -> None:
    orphan = store.home / f"models/blobs/sha256-{'0' * 64}"
    orphan.write_bytes(b"may be in use")
    (store.home / "models/manifests/a.json").write_text("{")
    assert len(mended(store)) == 1
    assert orphan.exists()


def test_other_files_are_left_alone(store: ModelStore) -> None:
    (store.home / "pulls").mkdir()
    others = [
        store.home / place
        for place in ("models/manifests/notes.txt", "models/blobs/model.gguf", "pulls/readme")
    ]
    for path in others:
        path.write_text("mine")
    assert {(f.kind, f.path) for f in mended(store)} == {("note", path) for path in others}
    assert all(path.exists() for path in others)


def test_a_conversion_without_its_result(store: ModelStore) -> None:
    manifest = store.get("copied")
    record = msgspec.structs.replace(conversion_of(manifest, "Q8_0"), sha256="4" * 64, size=9)
    store.save_conversion(record, None)
    assert "converts it again" in only(store, "problem").reason
    assert mended(store) == []
    refused = msgspec.structs.replace(record, sha256="", size=0, refused="unknown family")
    store.save_conversion(refused, None)
    assert found(store) == []


def partial(store: ModelStore, size: int, present: int) -> PartialPaths:
    """Write the state of a download with `present` bytes on disk."""
    paths = PartialPaths.of(store.home, URL)
    paths.state.parent.mkdir(exist_ok=True)
    paths.bytes.write_bytes(bytes(present))
    ranges = ((0, present),) if present else ()
    write_state(paths.state, PartialState(URL, size, "e", ("a/b",), 1.0, 2.0, ranges=ranges))
    return paths


def test_a_download_that_can_go_on(store: ModelStore) -> None:
    paths = partial(store, 100, 40)
    finding = only(store, "note")
    assert finding.path == paths.bytes
    assert "40 of 100 bytes" in finding.reason
    assert len(mended(store)) == 1
    assert paths.bytes.exists()


def test_a_download_without_its_bytes(store: ModelStore) -> None:
    paths = partial(store, 100, 40)
    paths.bytes.unlink()
    assert "starts over" in only(store, "problem").reason
    assert mended(store) == []
    assert not paths.state.exists()


@pytest.mark.parametrize("text", ["{", '{"kind": "file"}', '{"kind": "tree"}', "[]", "\0"])
def test_a_damaged_state(store: ModelStore, text: str) -> None:
    paths = partial(store, 100, 40)
    paths.state.write_text(text)
    finding = only(store, "problem")
    assert finding.size == 40
    assert mended(store) == []
    assert not paths.bytes.exists()


def test_a_state_of_a_newer_version(store: ModelStore) -> None:
    paths = partial(store, 100, 40)
    paths.state.write_text('{"kind": "file", "schema": 3}')
    assert "Upgrade" in only(store, "problem").advice
    assert len(mended(store)) == 1
    assert paths.bytes.exists()


def test_a_state_under_another_name(store: ModelStore) -> None:
    paths = partial(store, 100, 40)
    other = paths.state.with_name(f"{'5' * 64}.json")
    other.write_bytes(paths.state.read_bytes())
    assert sorted(f.kind for f in found(store)) == ["leftover", "note"]
    assert [f.kind for f in mended(store)] == ["note"]
    assert not other.exists()


def test_a_pull_that_was_interrupted(store: ModelStore) -> None:
    (store.home / "pulls").mkdir()
    key = hashlib.sha256(b"a/b").hexdigest()
    path = store.home / "pulls" / f"{key}.json"
    path.write_bytes(msgspec.json.encode(PullState(PullStatus("a/b", "pulling", started_at=1.0))))
    assert "paused" in only(store, "note").reason
    lock = ProcessLock(path.with_suffix(".lock"))
    assert lock.acquire()
    finding = only(store, "note")
    assert "A server is pulling" in finding.reason
    mended(store)
    assert path.with_suffix(".lock").exists()
    lock.release()


def test_a_repair_that_fails_says_why(store: ModelStore) -> None:
    def fail() -> None:
        raise PermissionError("no")

    finding = Finding("problem", store.home, "a reason", action="mend it", repair=fail)
    assert repair([finding, finding]) == {fail: "no"}


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and symbolic links")
@pytest.mark.parametrize(
    "name",
    [
        f"models/blobs/sha256-{'5' * 64}",
        f"models/blobs/partial-{'5' * 64}",
        "models/conversions/a.json",
        *(f"pulls/{'5' * 64}.{suffix}" for suffix in ("json", "lock", "ranges", "tmp")),
    ],
)
def test_what_is_no_file_stops_no_check(store: ModelStore, name: str) -> None:
    path = store.home / name
    path.parent.mkdir(exist_ok=True)
    for create in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to(path)):
        create()
        assert repair(found(store)) == {}
        path.rmdir() if path.is_dir() else path.unlink()
