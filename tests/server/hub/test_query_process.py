"""The process that asks the hub: it starts when it is used, is cancelled, and ends by itself."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import HubError, InvalidParameter, ServerBusy, WorkerDied
from a3s_power_jupyter.hub.search import query_process
from a3s_power_jupyter.hub.search.protocol import (
    FindToken,
    Found,
    Look,
    Looked,
    RemoveToken,
    Search,
    StoreToken,
    Token,
)
from a3s_power_jupyter.hub.search.query_process import QueryProcess
from support.hub_server import HubServer
from support.pull_home import Children
from support.waiting import wait_until

LOG = logging.getLogger("tests")


def query(words: str = "") -> Search:
    return Search(words, "all", "downloads", 20)


@pytest.fixture
async def process(
    hub: HubServer, children: Children, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[QueryProcess]:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "")
    running = QueryProcess(LOG, idle=60.0)
    yield running
    await running.stop()


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, 60)


async def test_one_process_answers_everything_and_ends_when_idle(
    hub: HubServer, process: QueryProcess, children: Children
) -> None:
    hub.add_many(3)
    assert not children()
    found = await process.ask(query(), Found, seconds=60)
    assert len(found.models) == 3
    assert len(children()) == 1
    looked = Look("many/model-00001", "many/model-00001", "main")
    await asyncio.gather(*(process.ask(looked, Looked, seconds=60) for _ in range(5)))
    assert len(children()) == 1
    process._idle = 0.05
    assert await process.ask(FindToken(), Token, seconds=60) == Token(None)
    await until(lambda: not children())
    assert (await process.ask(query(), Found, seconds=60)).models == found.models


async def test_a_cancelled_question_leaves_the_others(
    hub: HubServer, process: QueryProcess
) -> None:
    hub.add_many(1)
    hub.fail("/api/models", stage="api", delay=60.0)
    slow = asyncio.ensure_future(process.ask(query("slow"), Found, seconds=60))
    await until(lambda: len(hub.requests) == 1)
    assert len((await process.ask(query(), Found, seconds=60)).models) == 1
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert not process._waiting


async def test_a_question_without_an_answer_ends_in_time(
    hub: HubServer, process: QueryProcess
) -> None:
    hub.fail("/api/models", stage="api", delay=60.0)
    with pytest.raises(HubError, match="has not answered within") as caught:
        await process.ask(query(), Found, seconds=0.2)
    assert caught.value.reason == "unreachable"


async def test_a_killed_process_fails_its_questions_and_is_replaced(
    hub: HubServer, process: QueryProcess, children: Children
) -> None:
    hub.fail("/api/models", stage="api", delay=60.0)
    asking = asyncio.ensure_future(process.ask(query(), Found, seconds=60))
    await until(lambda: len(hub.requests) == 1)
    children()[0].kill()
    with pytest.raises(WorkerDied, match="Try again"):
        await asking
    assert (await process.ask(query(), Found, seconds=60)).models == ()


async def test_too_many_questions_are_refused(
    hub: HubServer, process: QueryProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_process, "MAX_QUESTIONS", 2)
    hub.fail("/api/models", stage="api", delay=60.0, times=None)
    asking = [asyncio.ensure_future(process.ask(query(w), Found, seconds=60)) for w in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(ServerBusy):
        await process.ask(query("c"), Found, seconds=60)
    await process.stop()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, ServerBusy) for result in results)


async def test_an_offline_server_stores_a_token_unchecked(
    process: QueryProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "own" / "secret"))
    with pytest.raises(HubError) as caught:
        await process.ask(query(), Found, seconds=60)
    assert caught.value.reason == "offline"
    assert await process.ask(StoreToken("hf_x"), Token, seconds=60) == Token("file")
    assert (tmp_path / "own" / "secret").read_text() == "hf_x"
    assert stat.S_IMODE((tmp_path / "own" / "secret").stat().st_mode) == 0o600
    assert await process.ask(RemoveToken(), Token, seconds=60) == Token(None)
    assert not (tmp_path / "own" / "secret").exists()


async def test_an_unreachable_hub_and_a_token_of_the_environment(
    process: QueryProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    with pytest.raises(HubError) as caught:
        await process.ask(query(), Found, seconds=60)
    assert caught.value.reason == "unreachable"
    assert await process.ask(FindToken(), Token, seconds=60) == Token("environment")
    for change in (StoreToken("hf_other"), RemoveToken()):
        with pytest.raises(InvalidParameter, match="HF_TOKEN of the notebook server"):
            await process.ask(change, Token, seconds=60)
