"""Test pausing, resuming, cancelling and forgetting pulls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from a3s_power_jupyter.contract.types import PullRequest
from a3s_power_jupyter.hub.pull_manager import PullManager
from support.pull_child import COMMIT, TOTAL
from support.pull_home import Children, PullHome, downloading, events, wire


async def test_pause_and_resume(pull_home: PullHome, pulls: PullManager) -> None:
    await downloading(pulls, "fake/slow", revision="main")
    status = await pulls.pause("fake/slow")
    assert status.status == "paused"
    assert TOTAL // 2 < status.completed <= TOTAL
    assert status == pull_home.stored_status("fake/slow") == await pulls.pause("fake/slow")
    watching = asyncio.create_task(events(pulls, "fake/slow", revision="main"))
    status = await downloading(pulls, "fake/slow", revision="main")
    while status.completed <= TOTAL // 2:
        await asyncio.sleep(0.01)
        status = await pulls.status("fake/slow")
    await pulls.pause("fake/slow")
    received = map(wire, await watching)
    assert {"status": "resuming", "offset": TOTAL // 2, "total": TOTAL} in received
    # The branch may have moved, so the pull resumes with the commit it started with.
    assert pull_home.revisions() == ["main", COMMIT]


async def test_a_branch_in_the_name_is_replaced_by_the_commit(
    pull_home: PullHome, pulls: PullManager
) -> None:
    for _ in range(2):
        await downloading(pulls, "fake/slow@dev:Q4")
        await pulls.pause("fake/slow@dev:Q4")
    references = [request["reference"] for request in pull_home.requests()]
    assert [reference["name"] for reference in references] == ["fake/slow@dev:Q4"] * 2
    assert pull_home.revisions() == ["dev", COMMIT]


@pytest.mark.parametrize("fields", [{"force": True}, {"revision": "other"}])
async def test_pulls_that_start_over(
    pull_home: PullHome, pulls: PullManager, fields: dict[str, Any]
) -> None:
    await downloading(pulls, "fake/slow")
    await pulls.pause("fake/slow")
    await downloading(pulls, "fake/slow", **fields)
    assert pull_home.revisions()[1] == fields.get("revision", "main")


async def test_a_process_that_ignores_the_pause(
    pulls: PullManager, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a3s_power_jupyter.hub.pull.PAUSE_GRACE", 0.1)
    await downloading(pulls, "fake/stubborn")
    assert (await pulls.pause("fake/stubborn")).status == "paused"
    assert not children()


async def test_pause_before_the_start(pull_home: PullHome, pulls: PullManager) -> None:
    await pulls.pull_in_background(PullRequest("fake/slow"))
    assert (await pulls.pause("fake/slow")).status == "paused"
    assert pull_home.stored_status("fake/slow").status == "paused"  # type: ignore[union-attr]


@pytest.mark.parametrize("keep", [True, False])
async def test_cancel(pull_home: PullHome, pulls: PullManager, keep: bool) -> None:
    watching = asyncio.create_task(events(pulls, "fake/slow"))
    await downloading(pulls, "fake/slow")
    status = await pulls.cancel("fake/slow", keep_partial=keep)
    assert status.status == "cancelled"
    assert (status.completed > 0) is keep
    assert wire((await watching)[-1]) == {"status": "cancelled", "name": "fake/slow"}
    assert pull_home.stored_status("fake/slow") == status
    await downloading(pulls, "fake/slow")
    assert pull_home.revisions()[1] == (COMMIT if keep else "main")


async def test_a_pull_that_is_done_cannot_be_stopped(pulls: PullManager) -> None:
    await events(pulls, "fake/model")
    assert (await pulls.cancel("fake/model", keep_partial=False)).status == "done"
    assert (await pulls.pause("fake/model")).status == "done"


async def test_all_pulls_are_paused_when_the_server_stops(pull_home: PullHome) -> None:
    pulls = pull_home.pulls()
    await downloading(pulls, "fake/slow:A")
    await downloading(pulls, "fake/slow:B")
    await pulls.stop()
    assert {status.status for status in await pull_home.pulls().all()} == {"paused"}


async def test_forget(pulls: PullManager) -> None:
    await downloading(pulls, "fake/slow")
    assert await pulls.forget("fake/slow") == 0  # the process wrote no files
    assert await pulls.forget("fake/slow") is None
    await events(pulls, "fake/model")
    assert await pulls.forget("fake/model") is None
    assert await pulls.all() == []
