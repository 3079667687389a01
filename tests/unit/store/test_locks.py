"""The lock between processes that downloads, pulls and conversions use."""

from __future__ import annotations

import threading
from pathlib import Path

from a3s_power_jupyter.store.locks import ProcessLock, is_locked


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
