"""Files of warm prompts: written and read, damaged, limited, and shared by two servers."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from a3s_power_jupyter.engine import prompt_files as module
from a3s_power_jupyter.engine.prompt_files import PromptFiles, PromptHeader, WarmPrompt

STATE = os.urandom(5000)


def header(*tokens: int, size: int = len(STATE)) -> PromptHeader:
    return PromptHeader([*tokens], [*range(len(tokens))], len(tokens), 0, size)


def prompt(*tokens: int, state: bytes = STATE, used: float = 1000.0) -> WarmPrompt:
    return WarmPrompt(header(*tokens, size=len(state)), state, used)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts" / "model"


def files_in(folder: Path, key: str = "key", limit: int = 1 << 30) -> PromptFiles:
    return PromptFiles(folder, key, limit)


def write(folder: Path, *prompts: WarmPrompt, limit: int = 1 << 30, key: str = "key") -> int:
    return files_in(folder, key, limit).save(prompts, math.inf)


def tokens_in(folder: Path, key: str = "key") -> list[list[int]]:
    return [saved.header.tokens for saved in files_in(folder, key).load()]


def only_file(folder: Path) -> Path:
    [path] = [*(folder / "key").iterdir()]
    return path


def test_prompts_are_read_as_they_were_written(folder: Path) -> None:
    assert write(folder, prompt(1, 2, -(2**62)), prompt(3, state=b"")) == 2
    saved = {tuple(p.header.tokens): p for p in files_in(folder).load()}
    assert saved[1, 2, -(2**62)].header == header(1, 2, -(2**62))
    assert saved[1, 2, -(2**62)].read_state() == STATE
    assert saved[3,].read_state() == b""


def test_the_last_used_prompt_is_first(folder: Path) -> None:
    write(folder, prompt(1, used=10), prompt(2, used=30), prompt(3, used=20))
    assert tokens_in(folder) == [[2], [3], [1]]
    saved = files_in(folder).load()[-1]
    assert saved.read_state() is not None
    assert tokens_in(folder) == [[1], [2], [3]]


def test_states_of_another_key_are_not_read(folder: Path) -> None:
    write(folder, prompt(1))
    assert tokens_in(folder, "other") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_the_owner_can_read_prompts(folder: Path) -> None:
    old = os.umask(0)
    try:
        write(folder, prompt(1))
    finally:
        os.umask(old)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder.parent, folder, folder / "key")]
    assert modes == [0o700] * 3
    assert stat.S_IMODE(only_file(folder).stat().st_mode) == 0o600


def test_a_prompt_is_written_once(folder: Path) -> None:
    assert write(folder, prompt(1, used=10)) == 1
    before = only_file(folder).stat()
    assert write(folder, prompt(1, used=20)) == 0
    after = only_file(folder).stat()
    assert (after.st_ino, after.st_mtime) == (before.st_ino, 20)


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
    write(folder, prompt(1), prompt(2))
    path = folder / "key" / header(1).filename
    path.write_bytes(damage(path.read_bytes()))
    assert tokens_in(folder) == [[2]]
    assert not path.exists()


@pytest.mark.parametrize("position", [-33, -1, -2000])
def test_a_file_with_a_damaged_state_is_removed_when_it_is_read(
    folder: Path, position: int
) -> None:
    write(folder, prompt(1))
    path = only_file(folder)
    path.write_bytes(flip(position)(path.read_bytes()))
    [saved] = files_in(folder).load()
    assert saved.read_state() is None
    assert not path.exists()


def test_a_header_of_another_shape_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NewHeader(PromptHeader, frozen=True):
        kind: int = 3

    new = NewHeader([1], [0], 1, 0, len(STATE))
    write(folder, WarmPrompt(new, STATE, 1.0))
    path = only_file(folder)
    assert files_in(folder).load() == []
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_links_and_pipes_are_removed_and_not_opened(folder: Path, tmp_path: Path) -> None:
    write(folder, prompt(1))
    target = tmp_path / "mine"
    target.write_bytes(only_file(folder).read_bytes())
    (folder / "key" / "link.prompt").symlink_to(target)
    os.mkfifo(folder / "key" / "pipe.prompt")
    (folder / "key" / "folder.prompt").mkdir()
    (folder / "key" / "notes.txt").write_text("mine")
    assert tokens_in(folder) == [[1]]
    assert target.exists()
    names = {path.name for path in (folder / "key").iterdir()}
    assert names == {header(1).filename, "folder.prompt", "notes.txt"}


def test_only_the_headers_of_a_limited_number_of_files_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    write(folder, *(prompt(n, used=n) for n in range(5)))
    assert tokens_in(folder) == [[4], [3]]


# ---------------------------------------------------------------- limits


def size_of_one(folder: Path) -> int:
    write(folder.parent.parent / "measure" / "model", prompt(1))
    return only_file(folder.parent.parent / "measure" / "model").stat().st_size


def test_the_prompts_of_all_models_share_the_limit(folder: Path) -> None:
    size = size_of_one(folder)
    other = folder.parent / "other"
    write(other, prompt(1, used=10), prompt(2, used=40))
    write(folder, prompt(3, used=30), prompt(4, used=20), limit=3 * size)
    assert (tokens_in(other), tokens_in(folder)) == ([[2]], [[3], [4]])


def test_a_prompt_does_not_displace_those_used_later(folder: Path) -> None:
    size = size_of_one(folder)
    write(folder, prompt(1, used=10), prompt(2, used=20))
    assert write(folder, prompt(3, used=15), limit=2 * size) == 1
    assert write(folder, prompt(4, used=5), limit=2 * size) == 0
    assert tokens_in(folder) == [[2], [3]]


def test_a_prompt_above_the_limit_removes_nothing(folder: Path) -> None:
    write(folder, prompt(1, used=10))
    assert write(folder, prompt(2, used=20), limit=len(STATE)) == 0
    assert tokens_in(folder) == [[1]]


def test_unfinished_files_count_until_they_are_removed(folder: Path) -> None:
    size = size_of_one(folder)
    write(folder, prompt(1, used=10))
    unfinished = folder / "key" / "tmp-1"
    unfinished.write_bytes(b"x" * size)
    os.utime(unfinished, (5, 5))
    write(folder, prompt(2, used=20), limit=2 * size)
    assert tokens_in(folder) == [[2], [1]]
    assert not unfinished.exists()


def test_nothing_is_written_to_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEADROOM", 1 << 60)
    assert write(folder, prompt(1)) == 0


def test_writing_stops_at_the_deadline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Clock:
        """A clock on which a second passes between two looks."""

        @staticmethod
        def monotonic() -> float:
            nonlocal now
            now += 1.0
            return now

    monkeypatch.setattr(module, "CHUNK", 1000)
    monkeypatch.setattr(module, "time", Clock)
    assert files_in(folder).save([prompt(1), prompt(2), prompt(3)], 9.0) == 1
    assert tokens_in(folder) == [[1]]
    assert len([*(folder / "key").iterdir()]) == 1


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file")
    folder = tmp_path / "prompts" / "model"
    assert write(folder, prompt(1)) == 0
    assert tokens_in(folder) == []


# ---------------------------------------------------------------- two servers


def test_files_may_vanish_at_any_moment(folder: Path) -> None:
    write(folder, prompt(1), prompt(2))
    [first, second] = files_in(folder).load()
    first.path.unlink()
    assert first.read_state() is None
    assert second.read_state() == STATE
    files_in(folder).remove([first, second])
    assert tokens_in(folder) == []


def test_a_file_that_was_replaced_by_another_prompt_is_not_used(folder: Path) -> None:
    write(folder, prompt(1), prompt(2))
    [first, second] = files_in(folder).load()
    second.path.replace(first.path)
    assert first.read_state() is None


def test_two_servers_write_the_same_prompt(folder: Path) -> None:
    write(folder, prompt(1))
    [saved] = files_in(folder).load()
    other = os.urandom(len(STATE))
    saved.path.unlink()
    write(folder, prompt(1, state=other))
    assert saved.read_state() == other
