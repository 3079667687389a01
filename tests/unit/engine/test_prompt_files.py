"""Files of states: written and read, damaged, and shared by two servers."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from a3s_power_jupyter.engine import prompt_files as module
from a3s_power_jupyter.engine import prompt_format, prompt_space
from a3s_power_jupyter.engine.prompt_cache import Checkpoint, Entry, PromptCache
from a3s_power_jupyter.engine.prompt_format import SavedState
from support.prompts import STATE, entry, files_in, only_file, tokens_in, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts" / "model"


@pytest.fixture
def size(tmp_path: Path) -> int:
    """Return the size of a file in bytes."""
    measured = tmp_path / "measure" / "model"
    write(measured, entry(1))
    return only_file(measured).stat().st_size


def states_of(saved: Entry[SavedState]) -> list[bytes | None]:
    return [saved.state.read(), *(checkpoint.state.read() for checkpoint in saved.checkpoints)]


def test_entries_are_read_as_they_were_written(folder: Path) -> None:
    written = entry(1, 2, -(2**62), steady=2, used=5.0)
    written.checkpoints = (Checkpoint(1, 4, b"", 0), Checkpoint(2, 7, b"ab", 2))
    assert write(folder, written, entry(3, state=b"")) == 2
    [saved, other] = files_in(folder).load()
    assert (saved.tokens, saved.positions) == (written.tokens, written.positions)
    assert (saved.n_past, saved.steady, saved.used) == (3, 2, 5.0)
    assert [(c.n_tokens, c.n_past) for c in saved.checkpoints] == [(1, 4), (2, 7)]
    assert states_of(saved) == [STATE, b"", b"ab"]
    assert saved.total_size == other.total_size == 0
    assert states_of(other) == [b""]


def test_arrays_are_written_as_bytes(folder: Path) -> None:
    write(folder, entry(1, state=np.arange(5000, dtype=np.uint8)))
    [saved] = files_in(folder).load()
    assert states_of(saved) == [bytes(n % 256 for n in range(5000))]


def test_the_last_used_entry_is_last(folder: Path) -> None:
    write(folder, entry(1, used=10), entry(2, used=30), entry(3, used=20))
    assert tokens_in(folder) == [[1], [3], [2]]
    assert files_in(folder).load()[0].state.read() == STATE
    assert tokens_in(folder) == [[3], [2], [1]]


def test_entries_that_do_not_fit_are_not_read(folder: Path) -> None:
    write(folder, entry(1))
    assert tokens_in(folder, fits="other") == []
    assert tokens_in(folder.parent / "other") == []


def test_a_file_of_another_model_is_removed(folder: Path) -> None:
    other = folder.parent / "other"
    write(folder, entry(1))
    write(other, entry(2))
    only_file(folder).replace(only_file(other).with_name("moved.prompt"))
    assert tokens_in(other) == [[2]]
    assert only_file(other).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_the_owner_can_read_files(folder: Path) -> None:
    old = os.umask(0)
    try:
        write(folder, entry(1))
    finally:
        os.umask(old)
    path = only_file(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(parent.stat().st_mode) for parent in path.parents[:3]} == {0o700}


def test_an_entry_is_written_once(folder: Path) -> None:
    assert write(folder, entry(1, used=10)) == 1
    before = only_file(folder).stat()
    assert write(folder, entry(1, used=20)) == 0
    after = only_file(folder).stat()
    assert (after.st_ino, after.st_mtime) == (before.st_ino, 20)


def test_an_entry_replaces_the_one_that_it_continues(folder: Path) -> None:
    write(folder, entry(1, 2), entry(1, 3))
    files = files_in(folder)
    cache = PromptCache[Any](10**6, files.load())
    cache.add(entry(1, 2, 4))
    assert files.save(cache, math.inf) == 1
    assert sorted(tokens_in(folder)) == [[1, 2, 4], [1, 3]]


def test_checkpoints_are_copied_from_the_file_of_an_earlier_entry(folder: Path) -> None:
    first = entry(1, 2)
    first.checkpoints = (Checkpoint(1, 1, b"one", 3),)
    write(folder, first)
    files = files_in(folder)
    [saved] = files.load()
    next_turn = entry(1, 2, 3)
    next_turn.checkpoints = saved.checkpoints
    assert files.save([next_turn], math.inf) == 1
    [saved] = files_in(folder).load()
    assert states_of(saved) == [STATE, b"one"]


def test_entries_on_disk_take_no_memory(folder: Path) -> None:
    write(folder, entry(1), entry(2))
    cache = PromptCache[Any](2 * len(STATE), files_in(folder).load())
    for token in (3, 4, 5):
        assert cache.add(entry(token))
    assert [list(e.tokens) for e in cache] == [[5], [4], [2], [1]]


# ---------------------------------------------------------------- damaged files


def flip(position: int) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda _content: b"",
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: content + b"x",
        lambda content: content[:8] + b"\xff" * 8 + content[16:],
        flip(0),
        flip(7),
        flip(9),
        flip(20),
        flip(50),
    ],
    ids=[
        "empty", "truncated", "short", "longer", "long header", "magic", "version", "length",
        "checksum", "header",
    ],
)  # fmt: skip
def test_a_file_with_a_damaged_header_is_removed(
    folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    write(folder, entry(2))
    good = only_file(folder)
    bad = good.with_name("bad.prompt")
    bad.write_bytes(damage(good.read_bytes()))
    assert tokens_in(folder) == [[2]]
    assert only_file(folder) == good


@pytest.mark.parametrize("position", [-33, -1, -2000])
def test_a_file_with_a_damaged_state_is_removed_when_it_is_read(
    folder: Path, position: int
) -> None:
    write(folder, entry(1))
    [saved] = files_in(folder).load()
    path = only_file(folder)
    path.write_bytes(flip(position)(path.read_bytes()))
    assert saved.state.read() is None
    assert not path.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": [1]},
        {"positions": [0, 2**40]},
        {"tokens": [1, 2**63]},
        {"states": []},
        {"states": [{"n_tokens": 2, "n_past": 2, "size": -5000}]},
        {"kind": "new"},
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_removed(
    folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = msgspec.msgpack.encode

    def encode(value: object) -> bytes:
        if isinstance(value, module.Header):
            value = msgspec.to_builtins(value) | changes
        return real(value)

    monkeypatch.setattr(msgspec.msgpack, "encode", encode)
    write(folder, entry(1, 2))
    path = only_file(folder)
    assert files_in(folder).load() == []
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_links_and_pipes_are_removed_and_not_opened(folder: Path, tmp_path: Path) -> None:
    write(folder, entry(1))
    path = only_file(folder)
    target = tmp_path / "mine"
    target.write_bytes(path.read_bytes())
    path.with_name("link.prompt").symlink_to(target)
    os.mkfifo(path.with_name("pipe.prompt"))
    path.with_name("folder.prompt").mkdir()
    path.with_name("notes.txt").write_text("mine")
    assert tokens_in(folder) == [[1]]
    assert target.exists()
    assert {p.name for p in path.parent.iterdir()} == {path.name, "folder.prompt", "notes.txt"}


def test_only_the_last_used_files_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    write(folder, *(entry(n, used=n) for n in range(5)))
    assert tokens_in(folder) == [[3], [4]]


def test_a_state_that_the_engine_refuses_is_removed(folder: Path) -> None:
    write(folder, entry(1))
    [saved] = files_in(folder).load()
    saved.state.refuse()
    assert tokens_in(folder) == []


# ---------------------------------------------------------------- limits


def test_the_states_of_all_models_share_the_limit(folder: Path, size: int) -> None:
    other = folder.parent / "other"
    write(other, entry(1, used=10), entry(2, used=40))
    write(folder, entry(3, used=30), entry(4, used=20), limit=3 * size)
    assert (tokens_in(other), tokens_in(folder)) == ([[2]], [[4], [3]])


def test_an_entry_does_not_displace_those_used_later(folder: Path, size: int) -> None:
    write(folder, entry(1, used=10), entry(2, used=20))
    assert write(folder, entry(3, used=15), limit=2 * size) == 1
    assert write(folder, entry(4, used=5), limit=2 * size) == 0
    assert tokens_in(folder) == [[3], [2]]


def test_an_entry_above_the_limit_removes_nothing(folder: Path) -> None:
    write(folder, entry(1, used=10))
    assert write(folder, entry(2, used=20), limit=len(STATE)) == 0
    assert tokens_in(folder) == [[1]]


def test_unfinished_files_count_until_they_are_removed(folder: Path, size: int) -> None:
    write(folder, entry(1, used=10))
    unfinished = only_file(folder).with_name("tmp-1")
    unfinished.write_bytes(b"x" * size)
    os.utime(unfinished, (5, 5))
    write(folder, entry(2, used=20), limit=2 * size)
    assert tokens_in(folder) == [[1], [2]]
    assert not unfinished.exists()


def test_nothing_is_written_to_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_space, "HEADROOM", 1 << 60)
    assert write(folder, entry(1)) == 0


def test_older_files_make_room_on_a_full_disk(
    folder: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, entry(1, used=10), entry(2, used=30))
    usage = SimpleNamespace(free=2 * size)
    monkeypatch.setattr(prompt_space, "shutil", SimpleNamespace(disk_usage=lambda _path: usage))
    monkeypatch.setattr(prompt_space, "HEADROOM", 2 * size)
    assert write(folder, entry(3, used=20)) == 1
    assert tokens_in(folder) == [[3], [2]]


def test_a_lower_limit_takes_effect_at_the_next_load(folder: Path, size: int) -> None:
    write(folder, entry(1, used=10), entry(2, used=30))
    write(folder.parent / "other", entry(3, used=20))
    assert [list(e.tokens) for e in files_in(folder, limit=size).load()] == [[2]]
    assert tokens_in(folder.parent / "other") == []


def test_no_file_is_replaced_without_time(folder: Path) -> None:
    write(folder, entry(1))
    files = files_in(folder)
    files.load()
    assert files.save([entry(1, 2)], -math.inf) == 0
    assert tokens_in(folder) == [[1]]


def test_a_conversation_without_room_keeps_its_older_file(folder: Path, size: int) -> None:
    write(folder, entry(1, used=1.0))
    files = files_in(folder, limit=size)
    files.load()
    longer = entry(1, 2, state=STATE * 2, used=2.0)
    assert files.save([longer], math.inf) == 0
    assert tokens_in(folder) == [[1]]


def test_writing_stops_at_the_deadline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Clock:
        """A clock on which a second passes between two looks."""

        @staticmethod
        def monotonic() -> float:
            nonlocal now
            now += 1.0
            return now

    monkeypatch.setattr(prompt_format, "CHUNK", 1000)
    monkeypatch.setattr(prompt_format, "time", Clock)
    assert files_in(folder).save([entry(1), entry(2), entry(3)], 9.0) == 1
    assert tokens_in(folder) == [[1]]
    assert only_file(folder).suffix == ".prompt"


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file")
    folder = tmp_path / "prompts" / "model"
    assert write(folder, entry(1)) == 0
    assert tokens_in(folder) == []


# ---------------------------------------------------------------- two servers


def test_files_may_vanish_at_any_moment(folder: Path) -> None:
    write(folder, entry(1), entry(2))
    [first, second] = files_in(folder).load()
    first.state.path.unlink()
    assert first.state.read() is None
    assert second.state.read() == STATE


def test_the_folder_may_vanish_while_a_file_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.temporary_path

    def remove_folder(directory: Path) -> Path:
        directory.rmdir()
        return real(directory)

    monkeypatch.setattr(module, "temporary_path", remove_folder)
    assert write(folder, entry(1)) == 0


def test_a_file_that_was_replaced_by_another_entry_is_not_used(folder: Path) -> None:
    write(folder, entry(1), entry(2))
    [first, second] = files_in(folder).load()
    second.state.path.replace(first.state.path)
    assert first.state.read() is None


def test_another_server_may_write_the_same_entry(folder: Path) -> None:
    write(folder, entry(1))
    [saved] = files_in(folder).load()
    other = os.urandom(len(STATE))
    saved.state.path.unlink()
    write(folder, entry(1, state=other))
    assert saved.state.read() == other
