"""Test the states of pulls on disk: of killed servers, unreadable ones, and other servers'."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import ManifestUnreadable, ModelBusy, StoreUnavailable
from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.hub.pull_manager import PullManager
from a3s_power_jupyter.hub.states import PullState, PullStates
from support.pull_child import COMMIT
from support.pull_home import LOG, PullHome, downloading, events, statuses

HOLDER = """
import sys, time, logging
from pathlib import Path
from a3s_power_jupyter.hub.states import PullStates
lock = PullStates(Path(sys.argv[1]), logging.getLogger()).lock(sys.argv[2])
print(lock.acquire(), flush=True)
time.sleep(60)
"""


async def test_states_of_a_killed_server_and_of_another_one(
    pull_home: PullHome, pulls: PullManager
) -> None:
    running = PullStatus("fake/slow", "pulling", 1.0, 5, 10, phase="downloading")
    PullStates(pull_home.path, LOG).write(PullState(running, None, COMMIT))
    status = await pulls.status("fake/slow")
    assert (status.status, status.completed, status.phase) == ("paused", 5, msgspec.UNSET)
    holder = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", HOLDER, str(pull_home.path), "fake/slow"], stdout=subprocess.PIPE
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
    await downloading(pulls, "fake/slow")  # both servers pull; the files have their own locks
    assert pull_home.stored_status("fake/slow") == running  # the other server keeps the state
    holder.kill()
    holder.communicate()
    await pulls.pause("fake/slow")
    assert pull_home.stored_status("fake/slow").status == "paused"  # type: ignore[union-attr]
    assert pull_home.revisions()[0] == COMMIT


async def test_unreadable_states(
    pull_home: PullHome, pulls: PullManager, caplog: pytest.LogCaptureFixture
) -> None:
    await events(pulls, "fake/model")
    (pull_home.path / "pulls" / "torn.json").write_bytes(b'{"kind":"pull","sta')
    (pull_home.path / "pulls" / "old.json").write_bytes(b'{"kind":"pull"}')
    assert [status.name for status in await pulls.all()] == ["fake/model"]
    assert "torn.json is not a valid state of a pull" in caplog.text
    assert "old.json is not a valid state of a pull" in caplog.text
    caplog.clear()
    await pulls.all()  # as the events do every few seconds
    assert caplog.text == ""


async def test_a_home_that_cannot_be_written(pull_home: PullHome, pulls: PullManager) -> None:
    states = pull_home.path / "pulls"
    states.write_text("in the way")
    for call in (events(pulls, "fake/model"), pulls.all(), pulls.status("fake/model")):
        with pytest.raises(StoreUnavailable, match="pulls is a file"):
            await call
    states.unlink()
    await downloading(pulls, "fake/slow")
    states.rename(pull_home.path / "moved")
    states.write_text("in the way")
    await pulls.pause("fake/slow")
    assert [status.status for status in await pulls.all()] == ["paused"]
    assert (await pulls.status("fake/slow")).status == "paused"
    states.unlink()
    assert statuses(await events(pulls, "fake/model"))[-1] == "success"
    assert (await pulls.status("fake/model")).status == "done"


async def test_a_state_of_a_newer_version_is_not_replaced(
    pull_home: PullHome, pulls: PullManager
) -> None:
    running = PullStatus("fake/slow", "paused", 1.0, 5, 10)
    states = PullStates(pull_home.path, LOG)
    states.write(PullState(running, None, COMMIT, schema=2))
    [path] = (pull_home.path / "pulls").glob("*.json")
    before = path.read_bytes()
    with pytest.raises(ManifestUnreadable, match="newer version"):
        states.read("fake/slow")
    assert states.read_all() == []
    with pytest.raises(ManifestUnreadable, match="newer version"):
        await events(pulls, "fake/slow")
    assert path.read_bytes() == before
