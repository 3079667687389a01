"""Test starting, joining and queueing pulls, with processes that have no hub (`pull_child`)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise

import msgspec
import psutil
import pytest

from a3s_power_jupyter.contract.errors import InvalidReference, PullStateNotFound
from a3s_power_jupyter.contract.types import PullRequest, PullStatus
from a3s_power_jupyter.hub.pull_manager import PullManager
from a3s_power_jupyter.ipc.child import BACKGROUND_NICE
from support import model_files
from support.pull_child import COMMIT, TOTAL
from support.pull_home import (
    Children,
    PullHome,
    downloading,
    events,
    in_phase,
    progressed,
    statuses,
    wire,
)

TOKEN = "hf_secret_of_the_tests"


async def test_events_from_start_to_end(pull_home: PullHome, pulls: PullManager) -> None:
    name = "fake/model:Q4_0"
    received = await events(pulls, name, token=TOKEN)
    assert statuses(received)[:2] == ["resolving", "planned"]
    assert statuses(received)[-2:] == ["verifying", "success"]
    assert set(statuses(received)[2:-2]) == {"downloading"}
    planned = received[1]
    assert (planned["note"], planned["total"]) == ("Chosen.", TOTAL)
    created = pull_home.store.get(name).created
    success = {"status": "success", "id": name, "object": "model", "created": created}
    assert wire(received[-1]) == success
    assert pull_home.registered == [(name, False)]
    assert pull_home.bytes == TOTAL
    assert name in pull_home.changes
    status = await pulls.status(name)
    assert received[-1]["pull"] == status
    assert (status.status, status.completed, status.total) == ("done", TOTAL, TOTAL)
    assert (status.revision, status.created) == (COMMIT, created)
    assert status.finished_at >= status.started_at  # type: ignore[operator]
    assert status.phase is msgspec.UNSET
    assert pull_home.stored_status(name) == status
    (request,) = pull_home.requests()
    assert (request["token"], request["memory_bytes"]) == (TOKEN, 123)


async def test_progress_of_each_of_several_files(pull_home: PullHome, pulls: PullManager) -> None:
    def files(status: PullStatus | None) -> list[tuple[str, int, int]]:
        assert status is not None
        assert status.files is not msgspec.UNSET
        return [(file.name, file.size, file.completed) for file in status.files]

    name, half = "fake/shards:Q4_0", TOTAL // 2
    names = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")
    so_far = [(names[0], half, half), (names[1], half, half // 2)]
    assert files(await downloading(pulls, name)) == so_far
    assert files(await pulls.pause(name)) == so_far
    assert files(pull_home.stored_status(name)) == so_far
    received = await events(pulls, name)
    assert statuses(received)[-1] == "success"
    assert not any("files" in event and event["status"] != "planned" for event in received)
    assert files(await pulls.status(name)) == [(n, half, half) for n in names]


async def test_the_token_is_not_stored(
    pull_home: PullHome, pulls: PullManager, children: Children
) -> None:
    await downloading(pulls, "fake/slow", token=TOKEN)
    (child,) = children()
    assert TOKEN not in " ".join([*child.cmdline(), *child.environ().values()])
    await pulls.pause("fake/slow")
    (pull_home.path / "requests.jsonl").unlink()  # written by the test's process
    for path in pull_home.path.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()
    assert TOKEN not in repr(PullRequest("x", TOKEN))


async def test_an_existing_model(pull_home: PullHome, pulls: PullManager) -> None:
    await events(pulls, "fake/model")
    received = await events(pulls, "https://huggingface.co/fake/model")
    assert received == [{"status": "already_exists", "name": "fake/model"}]
    status = await pulls.pull_in_background(PullRequest("fake/model"))
    assert (status.status, status.already_exists) == ("done", True)
    assert len(pull_home.requests()) == 1
    assert statuses(await events(pulls, "fake/model", force=True))[-1] == "success"
    assert pull_home.requests()[1]["force"] is True
    assert pull_home.registered[-1] == ("fake/model", False)  # the same content


async def test_new_content_replaces_the_old_one(pull_home: PullHome, pulls: PullManager) -> None:
    await events(pulls, "fake/model")
    (pull_home.path / "tiny.gguf").write_bytes(model_files.gguf(fill=b"\1"))
    await events(pulls, "fake/model", force=True)
    assert pull_home.registered == [("fake/model", False), ("fake/model", True)]


async def test_a_pull_restores_a_missing_blob(pull_home: PullHome, pulls: PullManager) -> None:
    store = pull_home.store
    await events(pulls, "fake/model")
    manifest = store.get("fake/model")
    source = msgspec.structs.replace(manifest.source, reference="fake/model")
    store.save(msgspec.structs.replace(manifest, source=source))
    (blob,) = store.resolve(manifest)
    blob.unlink()
    assert statuses(await events(pulls, "fake/model"))[-1] == "success"
    assert store.resolve(store.get("fake/model"))


async def test_several_watchers_of_one_pull(pull_home: PullHome, pulls: PullManager) -> None:
    first = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    tasks = [asyncio.create_task(events(pulls, "fake/slow")) for _ in range(3)]
    await progressed(pulls, "fake/slow", times=6)
    await pulls.pause("fake/slow")
    received = await first
    for late in [await task for task in tasks]:
        assert late[0] == {"status": "already_pulling", "name": "fake/slow"}
        assert late[1]["status"] == "downloading"  # the latest event, at once
        assert late[-1] == received[-1]
        progress = [event["completed"] for event in late[1:]]
        assert progress == sorted(progress)
        assert len(progress) > 3
    assert received[-1]["status"] == "paused"
    assert len(pull_home.requests()) == 1


async def test_a_pull_continues_without_its_watcher(pulls: PullManager) -> None:
    async with aclosing(pulls.pull(PullRequest("fake/slow"))) as stream:
        async for event in stream:
            if event["status"] == "downloading":
                break
    before = (await pulls.status("fake/slow")).completed
    status = await progressed(pulls, "fake/slow", times=2)
    assert (status.status, status.completed > before) == ("pulling", True)


async def test_progress_never_decreases(pulls: PullManager) -> None:
    watching = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    await progressed(pulls, "fake/slow", times=8)
    await pulls.pause("fake/slow")
    progress = [e["completed"] for e in await watching if e["status"] == "downloading"]
    assert len(progress) > 5
    assert all(before <= after for before, after in pairwise(progress))


async def test_the_process_has_a_low_priority(pulls: PullManager, children: Children) -> None:
    await downloading(pulls, "fake/slow")
    (child,) = children()
    assert child.nice() == max(psutil.Process().nice(), BACKGROUND_NICE)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("fake/fails", "checksum_mismatch", "The bytes are wrong."),
        ("fake/dies", "worker_died", "SIGKILL"),
        ("fake/leaves", "worker_died", "exit status 0"),
    ],
)
async def test_failures(
    pull_home: PullHome, pulls: PullManager, name: str, code: str, words: str
) -> None:
    last = (await events(pulls, name))[-1]
    assert (last["status"], last["error"]["code"]) == ("error", code)
    assert words in last["error"]["message"]
    status = await pulls.status(name)
    assert (status.status, status.error, status.completed) == ("failed", last["error"], TOTAL // 4)
    assert last["pull"] == status
    assert pull_home.stored_status(name) == status
    await events(pulls, name)
    assert pull_home.revisions()[1] == COMMIT  # the downloaded bytes are reused


async def test_a_process_that_sends_other_messages(pulls: PullManager) -> None:
    last = (await events(pulls, "fake/babbles"))[-1]
    assert last["error"]["code"] == "worker_died"


async def test_an_invalid_reference(pull_home: PullHome, pulls: PullManager) -> None:
    with pytest.raises(InvalidReference):
        await events(pulls, "no reference")
    with pytest.raises(PullStateNotFound):
        await pulls.status("no reference")
    assert await pulls.all() == []
    assert not (pull_home.path / "pulls").exists()


async def test_the_number_of_simultaneous_pulls_is_limited(pull_home: PullHome) -> None:
    pulls = pull_home.pulls(limit=1)
    await downloading(pulls, "fake/slow:A")
    second = asyncio.create_task(events(pulls, "fake/slow:B"))
    third = asyncio.create_task(events(pulls, "fake/model"))
    while pulls.active < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    waiting = await in_phase(pulls, "waiting", "fake/slow:B")
    assert "starts when" in str(waiting.note)
    assert len(pull_home.requests()) == 1
    cancelled = await pulls.cancel("fake/slow:B", keep_partial=False)
    assert (cancelled.status, cancelled.note) == ("cancelled", msgspec.UNSET)
    received = await second
    assert statuses(received) == ["waiting", "cancelled"]
    assert received[0]["note"] == waiting.note
    await pulls.pause("fake/slow:A")
    assert statuses(await third)[0] == "waiting"
    assert statuses(await third)[-1] == "success"
    names = [(status.name, status.status) for status in await pulls.all()]
    assert names == [
        ("fake/model", "done"),
        ("fake/slow:A", "paused"),
        ("fake/slow:B", "cancelled"),
    ]
