"""Test the files of chats, hostile ones too."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from a3s_power_jupyter.assistant import chats as module
from a3s_power_jupyter.assistant.chats import ChatFolder
from a3s_power_jupyter.contract.errors import (
    BodyTooLarge,
    ChatChanged,
    ChatNotFound,
    ChatUnreadable,
    InvalidParameter,
    PowerError,
    StoreUnavailable,
)

ID = "0123456789abcdef0123456789abcdef"
QUESTION: dict[str, Any] = {"role": "user", "content": "Which cheese is blue?"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a3s-power" / "chats"


@pytest.fixture
def chats(folder: Path) -> ChatFolder:
    return ChatFolder(folder)


def listed(chats: ChatFolder) -> list[str]:
    chats.refresh()
    return [chat.id for chat in chats.all().chats]


def test_a_chat_is_created_changed_and_deleted(chats: ChatFolder) -> None:
    created = chats.create(None, {"model": "m"})
    assert (created.title, created.revision, created.message_count) == ("", 1, 0)
    changed = chats.change(created.id, {"messages": [QUESTION]}, 1)
    assert (changed.title, changed.revision) == ("Which cheese is blue?", 2)
    assert chats.get(created.id).messages == [QUESTION]
    assert chats.change(created.id, {"title": "Cheese"}).title == "Cheese"
    assert chats.change(created.id, {"messages": []}, 3).title == "Cheese"
    chats.delete(created.id)
    for act in (chats.get, chats.delete, lambda chat_id: chats.change(chat_id, {"model": "n"})):
        with pytest.raises(ChatNotFound):
            act(created.id)


def test_a_change_on_another_revision_changes_nothing(chats: ChatFolder) -> None:
    chats.create(ID, {})
    chats.change(ID, {"model": "a"}, 1)
    with pytest.raises(ChatChanged, match="revision is 2, not 1"):
        chats.change(ID, {"model": "b"}, 1)
    assert chats.get(ID).model == "a"


def test_a_repeated_creation_is_refused(chats: ChatFolder) -> None:
    chats.create(ID, {"model": "a"})
    with pytest.raises(ChatChanged):
        chats.create(ID, {"model": "b"})
    assert chats.get(ID).model == "a"


@pytest.mark.parametrize(
    "chat_id", ["", "..", "../presets", ID.upper(), ID + "\n", ID[:-1], f"../{ID}", "/etc/passwd"]
)
def test_ids_cannot_leave_the_folder(chats: ChatFolder, chat_id: str) -> None:
    chats.create(ID, {})
    with pytest.raises(InvalidParameter):
        chats.create(chat_id, {})
    with pytest.raises(ChatNotFound):
        chats.get(chat_id)
    with pytest.raises(ChatNotFound):
        chats.delete(chat_id)
    assert listed(chats) == [ID]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_only_the_user_has_access(chats: ChatFolder, folder: Path) -> None:
    before = os.umask(0)
    try:
        chats.create(ID, {})
    finally:
        os.umask(before)
    for path, mode in [(folder.parent, 0o700), (folder, 0o700), (folder / f"{ID}.json", 0o600)]:
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_newest_chat_is_first(chats: ChatFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(module, "_now", lambda: next(times))
    first, second = (chats.create(None, {}).id for _ in range(2))
    assert listed(chats) == [second, first]
    chats.change(first, {"title": "x"})
    assert listed(chats) == [first, second]


# ---------------------------------------------------------------- files of others


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "no version"),
        (b'{"version": true}', "no version"),
        (b'{"version": "1"}', "no version"),
        (b'{"version": 1}', "missing"),
        (b'{"version": 2, "future": 1}', "newer version"),
        (b'{"version": 1, "title": 7}', "Expected"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_left_alone(
    chats: ChatFolder, folder: Path, content: bytes, reason: str
) -> None:
    good = chats.create(None, {}).id
    path = folder / f"{ID}.json"
    path.write_bytes(content)
    assert listed(chats) == [good]
    [problem] = chats.all().problems
    assert problem.file == path.name
    assert reason in problem.message
    assert chats.search("x").problems == [problem]
    with pytest.raises(ChatUnreadable):
        chats.get(ID)
    with pytest.raises(ChatUnreadable):
        chats.change(ID, {"title": "x"})
    assert path.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes")
def test_other_things_in_the_folder_do_not_break_the_list(chats: ChatFolder, folder: Path) -> None:
    good = chats.create(None, {}).id
    (folder / "notes.txt").write_text("mine")
    (folder / "tmp-1").write_bytes(b"{")
    (folder / f"{'a' * 32}.json").mkdir()
    (folder / f"{'c' * 32}.json").symlink_to(folder / "nothing")
    os.mkfifo(folder / f"{'b' * 32}.json")
    assert listed(chats) == [good]
    assert [problem.file[0] for problem in chats.all().problems] == ["a", "b"]


def test_fields_of_messages_may_have_any_form(chats: ChatFolder) -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"role": 7, "content": {"a": 1}},
        {"role": "user", "content": [None, 3, {"text": 4}], "attachments": [{"part": 9}, None, 1]},
        {"role": "user", "content": [{"text": "a"}], "attachments": [{"part": True}, {"part": 0}]},
    ]
    chats.create(ID, {"messages": odd})
    assert chats.get(ID).messages == odd
    chats.refresh()
    assert chats.search("cheese").chats == []


def test_sizes_and_numbers_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chats = ChatFolder(folder, max_chats=2)
    chats.create(ID, {})
    chats.create(None, {})
    with pytest.raises(InvalidParameter, match="the maximum"):
        chats.create(None, {})
    monkeypatch.setattr(module, "MAX_CHAT_BYTES", 1000)
    with pytest.raises(BodyTooLarge):
        chats.change(ID, {"messages": [{"role": "user", "content": "x" * 1000}]})
    assert chats.get(ID).messages == []


def test_a_folder_that_cannot_be_used_is_an_error_with_its_path(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    chats = ChatFolder(blocked / "chats")
    for act in (lambda: chats.create(None, {}), chats.refresh):
        with pytest.raises(PowerError) as caught:
            act()
        assert isinstance(caught.value, StoreUnavailable)
        assert "assistant_dir" in caught.value.message


# ---------------------------------------------------------------- two servers


def test_a_look_finds_what_another_server_has_changed(folder: Path) -> None:
    ours, theirs = ChatFolder(folder), ChatFolder(folder)
    assert ours.refresh() == set()
    chat_id = theirs.create(None, {"title": "a"}).id
    assert ours.refresh() == {chat_id}
    assert ours.refresh() == set()
    ours.change(chat_id, {"title": "b"})
    assert ours.refresh() == set()  # it is known here
    theirs.delete(chat_id)
    assert ours.refresh() == {chat_id}
    assert ours.summary(chat_id) is None


def test_of_changes_at_the_same_time_one_wins(folder: Path) -> None:
    ChatFolder(folder).create(ID, {})
    won: list[str] = []

    def change(name: str) -> None:
        try:
            ChatFolder(folder).change(ID, {"model": name}, 1)
        except ChatChanged:
            return
        won.append(name)

    threads = [Thread(target=change, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ChatFolder(folder).get(ID).model] == won


# ---------------------------------------------------------------- search


def test_a_search_finds_words_in_titles_and_texts(chats: ChatFolder) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,cheese"}}
    attached = {
        "role": "user",
        "content": [{"type": "text", "text": "Why?"}, image],
        "attachments": [{"part": 1, "title": "Image"}],
    }
    titled = chats.create(None, {"title": "Blue Days"}).id
    asked = chats.create(
        None, {"messages": [QUESTION, {"role": "assistant", "content": "Stilton"}]}
    )
    chats.create(None, {"messages": [attached]})

    def found(query: str) -> set[str]:
        chats.refresh()
        return {chat.id for chat in chats.search(query).chats}

    assert found("blue") == {titled, asked.id}
    assert found("STILTON blue") == {asked.id}
    assert found("cheese") == {asked.id}  # not in the data of an image
    assert found("(.*") == set()
    assert len(found(" ")) == 3
    [chat] = chats.search("stilton").chats
    assert chat.excerpt == "Which cheese is blue? Stilton"


def test_a_search_that_takes_too_long_says_so(chats: ChatFolder) -> None:
    for _ in range(3):
        chats.create(None, {"messages": [QUESTION]})
    chats.refresh()
    times = iter([0.0, 0.0, 11.0])
    found = chats.search("cheese", lambda: next(times))
    assert len(found.chats) == 1
    assert "too long" in found.problems[0].message


def test_titles_are_cut(chats: ChatFolder) -> None:
    question = {"role": "user", "content": "a\nb " + "x" * 500}
    title = chats.create(None, {"messages": [question]}).title
    assert title.startswith("a b x")
    assert len(title) == 80


def test_the_file_is_json_with_its_version(chats: ChatFolder, folder: Path) -> None:
    chats.create(ID, {"messages": [{"role": "user", "content": "žluť"}]})
    document = json.loads((folder / f"{ID}.json").read_text("utf-8"))
    assert document["version"] == 1
    assert document["messages"][0]["content"] == "žluť"
