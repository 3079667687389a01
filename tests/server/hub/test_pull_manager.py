"""The pulls of a server, with a real process each that has no hub (`pull_child`)."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from a3s_power_jupyter.contract.errors import InvalidReference, ModelBusy, PullStateNotFound
from a3s_power_jupyter.contract.types import PullRequest, PullStatus
from a3s_power_jupyter.hub.pull_manager import Listener, Pulls
from a3s_power_jupyter.hub.states import PullState, PullStates
from a3s_power_jupyter.hub.watchers import Watchers
from a3s_power_jupyter.ipc.child import BACKGROUND_NICE
from a3s_power_jupyter.store.model_store import ModelStore
from support import model_files
from support.paths import SUPPORT
from support.pull_child import COMMIT, TOTAL

CHILD = (sys.executable, str(SUPPORT / "pull_child.py"))
TOKEN = "hf_secret_of_the_tests"
LOG = logging.getLogger("pulls")


class Home:
    """One home, and what the listener of its pulls heard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = ModelStore(path)
        self.heard: list[Any] = []
        self.changes: list[str] = []
        self.bytes = 0
        self.made: list[Pulls] = []
        path.mkdir()
        (path / "tiny.gguf").write_bytes(model_files.gguf())

    def pulls(self, limit: int = 2) -> Pulls:
        pulls = Pulls(
            self.path,
            self.store,
            limit,
            lambda: 123,
            Listener(self._registered, self.changes.append, self._received),
            LOG,
            CHILD,
        )
        self.made.append(pulls)
        return pulls

    async def _registered(self, name: str, replaced: bool) -> None:
        assert self.store.get(name).name == name
        self.heard.append((name, replaced))

    def _received(self, count: int) -> None:
        self.bytes += count

    def requests(self) -> list[dict[str, Any]]:
        lines = (self.path / "requests.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def state(self, name: str) -> PullStatus | None:
        """What another server, or this one after a restart, reads."""
        state = PullStates(self.path, LOG).read(name)
        return state and state.status


#: Processes that earlier tests left for later ones: servers of the session.
others: set[psutil.Process] = set()


def children() -> list[psutil.Process]:
    """Those that this test started."""
    return [child for child in psutil.Process().children() if child not in others]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    home = Home(tmp_path / "home")
    others.update(psutil.Process().children())
    yield home
    for pulls in home.made:
        await pulls.stop()
        assert pulls.active == 0
    assert not children()


@pytest.fixture
def pulls(home: Home) -> Pulls:
    return home.pulls()


async def events(pulls: Pulls, name: str, **fields: Any) -> list[dict[str, Any]]:
    return [event async for event in pulls.pull(PullRequest(name, **fields))]


def statuses(told: list[dict[str, Any]]) -> list[str]:
    return [event["status"] for event in told]


async def in_phase(pulls: Pulls, phase: str, name: str) -> PullStatus:
    """The status once it is in that phase."""
    deadline = time.monotonic() + 20
    status = await pulls.status(name)
    while status.phase != phase:
        assert (status.status, time.monotonic() < deadline) == ("pulling", True)
        await asyncio.sleep(0.01)
        status = await pulls.status(name)
    return status


async def downloading(pulls: Pulls, name: str, **fields: Any) -> PullStatus:
    """Begin the pull of a slow model in the background, and wait until bytes come."""
    await pulls.pull_in_background(PullRequest(name, **fields))
    return await in_phase(pulls, "downloading", name)


async def test_how_far_each_of_several_files_is(home: Home, pulls: Pulls) -> None:
    def files(status: PullStatus | None) -> list[tuple[str, int, int]]:
        assert status is not None
        assert status.files is not msgspec.UNSET
        return [(file.name, file.size, file.completed) for file in status.files]

    name, half = "fake/shards:Q4_0", TOTAL // 2
    names = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")
    so_far = [(names[0], half, half), (names[1], half, half // 2)]
    assert files(await downloading(pulls, name)) == so_far
    assert files(await pulls.pause(name)) == so_far
    assert files(home.state(name)) == so_far
    told = await events(pulls, name)
    assert statuses(told)[-1] == "success"
    assert not any("files" in event and event["status"] != "planned" for event in told)
    assert files(await pulls.status(name)) == [(n, half, half) for n in names]


async def test_from_the_first_event_to_the_last(home: Home, pulls: Pulls) -> None:
    told = await events(pulls, "fake/model:Q4_0", token=TOKEN)
    assert statuses(told)[:2] == ["resolving", "planned"]
    assert statuses(told)[-2:] == ["verifying", "success"]
    assert set(statuses(told)[2:-2]) == {"downloading"}
    planned = told[1]
    assert (planned["note"], planned["total"]) == ("Chosen.", TOTAL)
    created = home.store.get("fake/model:Q4_0").created
    success = {"status": "success", "id": "fake/model:Q4_0", "object": "model", "created": created}
    assert told[-1] == success
    assert home.heard == [("fake/model:Q4_0", False)]
    assert home.bytes == TOTAL
    assert "fake/model:Q4_0" in home.changes
    status = await pulls.status("fake/model:Q4_0")
    assert (status.status, status.completed, status.total) == ("done", TOTAL, TOTAL)
    assert status.finished_at >= status.started_at  # type: ignore[operator]
    assert status.phase is msgspec.UNSET
    assert home.state("fake/model:Q4_0") == status
    (request,) = home.requests()
    assert (request["token"], request["memory_bytes"]) == (TOKEN, 123)


async def test_the_token_is_kept_nowhere(home: Home, pulls: Pulls) -> None:
    await downloading(pulls, "fake/slow", token=TOKEN)
    (child,) = children()
    assert TOKEN not in " ".join([*child.cmdline(), *child.environ().values()])
    await pulls.pause("fake/slow")
    (home.path / "requests.jsonl").unlink()  # the test's own
    for path in home.path.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()
    assert TOKEN not in repr(PullRequest("x", TOKEN))


async def test_a_model_that_is_there(home: Home, pulls: Pulls) -> None:
    await events(pulls, "fake/model")
    told = await events(pulls, "https://huggingface.co/fake/model")
    assert told == [{"status": "already_exists", "name": "fake/model"}]
    status = await pulls.pull_in_background(PullRequest("fake/model"))
    assert status.status == "done"
    assert len(home.requests()) == 1
    assert statuses(await events(pulls, "fake/model", force=True))[-1] == "success"
    assert home.requests()[1]["force"] is True
    assert home.heard[-1] == ("fake/model", False)  # the same content


async def test_new_content_replaces_the_old(home: Home, pulls: Pulls) -> None:
    await events(pulls, "fake/model")
    (home.path / "tiny.gguf").write_bytes(model_files.gguf(fill=b"\1"))
    await events(pulls, "fake/model", force=True)
    assert home.heard == [("fake/model", False), ("fake/model", True)]


async def test_a_pull_mends_what_the_store_lost(home: Home, pulls: Pulls) -> None:
    await events(pulls, "fake/model")
    manifest = home.store.get("fake/model")
    source = msgspec.structs.replace(manifest.source, reference="fake/model")
    home.store.save(msgspec.structs.replace(manifest, source=source))
    (blob,) = home.store.resolve(manifest)
    blob.unlink()
    assert statuses(await events(pulls, "fake/model"))[-1] == "success"
    assert home.store.resolve(home.store.get("fake/model"))


async def test_any_number_watch_one_pull(home: Home, pulls: Pulls) -> None:
    first = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    others = [asyncio.create_task(events(pulls, "fake/slow")) for _ in range(3)]
    await asyncio.sleep(0.2)
    await pulls.pause("fake/slow")
    told = await first
    for late in [await other for other in others]:
        assert late[0] == {"status": "already_pulling", "name": "fake/slow"}
        assert late[1]["status"] == "downloading"  # a snapshot, and no wait for it
        assert late[-1] == told[-1]
        progress = [event["completed"] for event in late[1:]]
        assert progress == sorted(progress)
        assert len(progress) > 3
    assert told[-1]["status"] == "paused"
    assert len(home.requests()) == 1


async def test_it_goes_on_when_its_watcher_goes(home: Home, pulls: Pulls) -> None:
    async with aclosing(pulls.pull(PullRequest("fake/slow"))) as stream:
        async for event in stream:
            if event["status"] == "downloading":
                break
    before = (await pulls.status("fake/slow")).completed
    await asyncio.sleep(0.2)
    status = await pulls.status("fake/slow")
    assert (status.status, status.completed > before) == ("pulling", True)


async def test_pause_and_go_on(home: Home, pulls: Pulls) -> None:
    await downloading(pulls, "fake/slow", revision="main")
    status = await pulls.pause("fake/slow")
    assert status.status == "paused"
    assert TOTAL // 2 < status.completed <= TOTAL
    assert status == home.state("fake/slow") == await pulls.pause("fake/slow")
    watching = asyncio.create_task(events(pulls, "fake/slow", revision="main"))
    status = await downloading(pulls, "fake/slow", revision="main")
    assert status.completed > TOTAL // 2
    await pulls.pause("fake/slow")
    told = await watching
    assert {"status": "resuming", "offset": TOTAL // 2, "total": TOTAL} in told
    # The branch may have moved: it goes on with the commit that it began with.
    assert [request["revision"] for request in home.requests()] == ["main", COMMIT]


async def test_a_branch_in_the_name_gives_way_to_the_commit(home: Home, pulls: Pulls) -> None:
    for _ in range(2):
        await downloading(pulls, "fake/slow@dev:Q4")
        await pulls.pause("fake/slow@dev:Q4")
    asked = [(request["reference"], request["revision"]) for request in home.requests()]
    assert asked == [("fake/slow@dev:Q4", None), ("fake/slow:Q4", COMMIT)]


@pytest.mark.parametrize("fields", [{"force": True}, {"revision": "other"}])
async def test_what_does_not_go_on(home: Home, pulls: Pulls, fields: dict[str, Any]) -> None:
    await downloading(pulls, "fake/slow")
    await pulls.pause("fake/slow")
    await downloading(pulls, "fake/slow", **fields)
    assert home.requests()[1]["revision"] == fields.get("revision")


async def test_it_goes_behind_the_notebook(pulls: Pulls) -> None:
    await downloading(pulls, "fake/slow")
    (child,) = children()
    assert child.nice() == max(psutil.Process().nice(), BACKGROUND_NICE)


async def test_a_process_that_does_not_pause(
    home: Home, pulls: Pulls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a3s_power_jupyter.hub.pull.PAUSE_GRACE", 0.1)
    await downloading(pulls, "fake/stubborn")
    assert (await pulls.pause("fake/stubborn")).status == "paused"
    assert not children()


@pytest.mark.parametrize("keep", [True, False])
async def test_cancel(home: Home, pulls: Pulls, keep: bool) -> None:
    watching = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    status = await pulls.cancel("fake/slow", keep_partial=keep)
    assert status.status == "cancelled"
    assert (status.completed > 0) is keep
    assert (await watching)[-1] == {"status": "cancelled", "name": "fake/slow"}
    assert home.state("fake/slow") == status
    await downloading(pulls, "fake/slow")
    assert home.requests()[1]["revision"] == (COMMIT if keep else None)


async def test_what_is_done_is_not_cancelled(home: Home, pulls: Pulls) -> None:
    await events(pulls, "fake/model")
    assert (await pulls.cancel("fake/model", keep_partial=False)).status == "done"
    assert (await pulls.pause("fake/model")).status == "done"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("fake/fails", "checksum_mismatch", "The bytes are wrong."),
        ("fake/dies", "worker_died", "SIGKILL"),
        ("fake/leaves", "worker_died", "exit status 0"),
    ],
)
async def test_failures(home: Home, pulls: Pulls, name: str, code: str, words: str) -> None:
    last = (await events(pulls, name))[-1]
    assert (last["status"], last["error"]["code"]) == ("error", code)
    assert words in last["error"]["message"]
    status = await pulls.status(name)
    assert (status.status, status.error, status.completed) == ("failed", last["error"], TOTAL // 4)
    assert home.state(name) == status
    await events(pulls, name)
    assert home.requests()[1]["revision"] == COMMIT  # what came is not lost


async def test_a_process_that_sends_no_messages(pulls: Pulls) -> None:
    last = (await events(pulls, "fake/babbles"))[-1]
    assert last["error"]["code"] == "worker_died"


async def test_no_reference(home: Home, pulls: Pulls) -> None:
    with pytest.raises(InvalidReference):
        await events(pulls, "no reference")
    with pytest.raises(PullStateNotFound):
        await pulls.status("no reference")
    assert await pulls.all() == []
    assert not (home.path / "pulls").exists()


async def test_a_home_that_cannot_be_written(home: Home, pulls: Pulls) -> None:
    (home.path / "pulls").write_text("in the way")
    (last,) = await events(pulls, "fake/model")
    assert (last["status"], last["error"]["code"]) == ("error", "internal_error")
    assert str(home.path) in last["error"]["message"]
    assert (await pulls.status("fake/model")).error == last["error"]
    assert [status.status for status in await pulls.all()] == ["failed"]
    (home.path / "pulls").unlink()
    assert statuses(await events(pulls, "fake/model"))[-1] == "success"
    assert (await pulls.status("fake/model")).status == "done"


async def test_a_limited_number_at_once(home: Home) -> None:
    pulls = home.pulls(limit=1)
    await downloading(pulls, "fake/slow:A")
    second = asyncio.create_task(events(pulls, "fake/slow:B"))
    third = asyncio.create_task(events(pulls, "fake/model"))
    while pulls.active < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await in_phase(pulls, "waiting", "fake/slow:B")
    assert len(home.requests()) == 1
    assert (await pulls.cancel("fake/slow:B", keep_partial=False)).status == "cancelled"
    told = await second
    assert statuses(told) == ["waiting", "cancelled"]
    assert "Other pulls" in told[0]["note"]
    await pulls.pause("fake/slow:A")
    assert statuses(await third)[0] == "waiting"
    assert statuses(await third)[-1] == "success"
    names = [(status.name, status.status) for status in await pulls.all()]
    assert names == [
        ("fake/model", "done"),
        ("fake/slow:A", "paused"),
        ("fake/slow:B", "cancelled"),
    ]


async def test_pause_before_it_began(home: Home, pulls: Pulls) -> None:
    await pulls.pull_in_background(PullRequest("fake/slow"))
    assert (await pulls.pause("fake/slow")).status == "paused"
    assert home.state("fake/slow").status == "paused"  # type: ignore[union-attr]


async def test_when_the_server_ends_all_pause(home: Home) -> None:
    pulls = home.pulls()
    await downloading(pulls, "fake/slow:A")
    await downloading(pulls, "fake/slow:B")
    await pulls.stop()
    assert {status.status for status in await home.pulls().all()} == {"paused"}


HOLDER = """
import sys, time, logging
from pathlib import Path
from a3s_power_jupyter.hub.states import PullStates
lock = PullStates(Path(sys.argv[1]), logging.getLogger()).lock(sys.argv[2])
print(lock.acquire(), flush=True)
time.sleep(60)
"""


async def test_what_a_dead_server_and_a_living_one_left(home: Home, pulls: Pulls) -> None:
    running = PullStatus("fake/slow", "pulling", 1.0, 5, 10, phase="downloading")
    PullStates(home.path, LOG).write(PullState(running, "fake/slow", None, COMMIT))
    status = await pulls.status("fake/slow")
    assert (status.status, status.completed, status.phase) == ("paused", 5, msgspec.UNSET)
    holder = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", HOLDER, str(home.path), "fake/slow"], stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"True\n"
    assert await pulls.status("fake/slow") == running
    assert await pulls.all() == [running]
    with pytest.raises(ModelBusy):
        await pulls.pause("fake/slow")
    with pytest.raises(ModelBusy):
        await pulls.cancel("fake/slow", keep_partial=False)
    with pytest.raises(ModelBusy):
        await pulls.forget("fake/slow")
    await downloading(pulls, "fake/slow")  # beside the other; the files have locks of their own
    assert home.state("fake/slow") == running  # the other keeps the state
    holder.kill()
    holder.communicate()
    await pulls.pause("fake/slow")
    assert home.state("fake/slow").status == "paused"  # type: ignore[union-attr]
    assert home.requests()[0]["revision"] == COMMIT


async def test_states_that_cannot_be_read(
    home: Home, pulls: Pulls, caplog: pytest.LogCaptureFixture
) -> None:
    await events(pulls, "fake/model")
    (home.path / "pulls" / "torn.json").write_bytes(b'{"kind":"pull","sta')
    (home.path / "pulls" / "old.json").write_bytes(b'{"kind":"pull"}')
    assert [status.name for status in await pulls.all()] == ["fake/model"]
    assert "torn.json is no state of a pull" in caplog.text
    assert "old.json is no state of a pull" in caplog.text


async def test_forget(home: Home, pulls: Pulls) -> None:
    await downloading(pulls, "fake/slow")
    assert await pulls.forget("fake/slow") == 0  # the process wrote no files
    assert await pulls.forget("fake/slow") is None
    await events(pulls, "fake/model")
    assert await pulls.forget("fake/model") is None
    assert await pulls.all() == []


async def test_a_slow_watcher_keeps_only_the_newest_progress() -> None:
    watchers = Watchers()
    watchers.tell({"status": "resolving"})
    stream = watchers.watch()
    assert await anext(stream) == {"status": "resolving"}
    for completed in range(1000):
        watchers.tell({"status": "downloading", "completed": completed})
    watchers.tell({"status": "verifying"})
    watchers.tell({"status": "success"}, last=True)
    rest = [event async for event in stream]
    assert rest[0] == {"status": "downloading", "completed": 999}
    assert statuses(rest) == ["downloading", "verifying", "success"]
    assert [event async for event in watchers.watch()] == [{"status": "success"}]


async def test_progress_never_falls(pulls: Pulls) -> None:
    watching = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    await asyncio.sleep(0.5)
    await pulls.pause("fake/slow")
    progress = [e["completed"] for e in await watching if e["status"] == "downloading"]
    assert len(progress) > 5
    assert all(before <= after for before, after in pairwise(progress))
