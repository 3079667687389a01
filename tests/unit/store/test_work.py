"""Test that registrations can be stopped while they hash or copy, and not once they commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import StoreUnavailable
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.store import ModelStore, files
from a3s_power_jupyter.store.work import Work, WorkStopped
from support.model_files import large_gguf
from support.waiting import wait_until


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return large_gguf(tmp_path / "large.gguf")


class Registering:
    """A registration in a thread, with its result or error."""

    def __init__(self, store: ModelStore, path: Path, copy: bool) -> None:
        self.work = Work()
        self.error: Exception | None = None
        request = RegisterRequest("a", str(path), copy=copy)

        def run() -> None:
            try:
                store.register(request, DefaultParameters(), self.work)
            except Exception as error:
                self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()


@pytest.fixture
def registering(
    store: ModelStore, large: Path, copy: bool, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registering]:
    monkeypatch.setattr(
        "a3s_power_jupyter.store.blobs.HEADROOM", -(10**13)
    )  # the copy is stopped before the disk is full
    registering = Registering(store, large, copy)
    started = registering.work.last_progress
    wait_until(lambda: registering.work.last_progress > started)
    yield registering
    registering.work.stop()
    registering.thread.join()


@pytest.mark.parametrize("copy", [False, True])
def test_hashing_and_copying_stop(
    store: ModelStore, home: Path, copy: bool, registering: Registering
) -> None:
    assert registering.work.stop()
    registering.thread.join(60)
    assert isinstance(registering.error, WorkStopped)
    assert store.list() == []
    assert [path for path in home.rglob("*") if path.is_file() and path.name != "lock"] == []


@pytest.mark.parametrize("copy", [False, True])
def test_the_store_is_not_locked_meanwhile(
    store: ModelStore, home: Path, model: Path, copy: bool, registering: Registering
) -> None:
    other = ModelStore(home)
    for copied in (False, True):
        other.register(RegisterRequest("b", str(model), copy=copied), DefaultParameters())
        other.delete("b")
    other.collect_garbage(dry_run=False)
    assert registering.thread.is_alive()


def test_a_commit_is_completed(store: ModelStore, model: Path) -> None:
    work = Work()
    assert work.stop()
    for step in (work.proceed, work.commit):
        with pytest.raises(WorkStopped):
            step()
    work = Work()
    work.commit()
    assert not work.stop()
    work.proceed()


def test_the_lock_of_another_process(
    store: ModelStore, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a3s_power_jupyter.store.model_store.LOCK_TIMEOUT", 0.1)
    waiting = ModelStore(home)
    for copy in (False, True):
        with store.locked(), pytest.raises(StoreUnavailable, match="holds the lock"):
            waiting.register(RegisterRequest("a", str(model), copy=copy), DefaultParameters())
    assert waiting.list() == []


def test_few_threads_hash_at_once() -> None:
    digests = [files.hashlib.sha256() for _ in range(files.MAX_HASHING + 1)]
    for _ in range(files.MAX_HASHING):
        files._hashing.acquire()
    thread = threading.Thread(target=files.update_digest, args=(digests[-1], b"x"), daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    for _ in range(files.MAX_HASHING):
        files._hashing.release()
    thread.join(60)
    assert digests[-1].digest() != digests[0].digest()
