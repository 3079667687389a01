"""The lock between processes that downloads, pulls and conversions use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from a3s_power_jupyter.contract.errors import NotAFile
from a3s_power_jupyter.store.locks import ProcessLock, held_for_reading, is_locked


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "below" / "a.lock"
    assert not is_locked(path)
    first, second = ProcessLock(path), ProcessLock(path)
    assert first.acquire()
    assert first.acquire()  # does nothing, because it is already held
    assert not second.acquire()
    second.release()  # does nothing, because it is not held
    assert is_locked(path)
    first.release()
    assert not is_locked(path)
    assert second.acquire(timeout=1.0)
    second.release()


def test_no_file_remains(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "a.lock")
    lock.acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]
    is_locked(tmp_path / "a.lock")
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_another_thread_may_release_it(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "a.lock")
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not is_locked(tmp_path / "a.lock")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no locks for readers")
def test_readers_hold_a_lock_together(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    writer = FileLock(path, timeout=0)
    with writer, pytest.raises(Timeout), held_for_reading(path, 0):
        pass
    path.chmod(0o444)
    before = path.stat()
    with held_for_reading(path, 0) as first, held_for_reading(path, 0) as second:
        assert first
        assert second
        with pytest.raises(Timeout):
            writer.acquire()
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    path.chmod(0o600)
    with writer:
        pass


def test_a_reader_creates_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_for_reading(path, 0) as is_held:
        assert not is_held
    assert not path.exists()
    path.mkdir()
    with pytest.raises(NotAFile), held_for_reading(path, 0):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot remove a file that is open")
def test_a_reader_waits(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = ProcessLock(path)
    lock.acquire()
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    with held_for_reading(path, 60) as is_held:
        assert is_held
        assert not path.exists()  # the writer removes the file before it releases the lock
    timer.join()
