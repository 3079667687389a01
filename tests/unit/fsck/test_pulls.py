"""Test that a check finds what pulls leave behind, and that a repair mends it."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.hub.states import PullState
from a3s_power_jupyter.hub.transfer.partial_state import PartialPaths, PartialState, write_state
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.locks import ProcessLock
from support.fsck_checks import found, mended, only, repaired

URL = "https://hub.example/owner/repo/resolve/main/model.gguf"


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
    assert ".." not in finding.reason
    assert repaired(store) == 40
    assert found(store) == []
    assert not paths.bytes.exists()


def test_a_state_of_a_newer_version(store: ModelStore) -> None:
    paths = partial(store, 100, 40)
    paths.state.write_text('{"kind": "file", "schema": 3}')
    finding = only(store, "problem")
    assert "Upgrade" in finding.reason
    assert "left alone" in finding.advice
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
