"""Test changes and the event feed, also with many models."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.types import PullStatus, RegisterRequest
from a3s_power_jupyter.hub.states import PullState, PullStates
from a3s_power_jupyter.service import event_feed
from a3s_power_jupyter.service.changes import Change, Changes
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.store.manifest import Snapshot
from a3s_power_jupyter.store.model_store import ModelStore
from support import model_files
from support.registering import register


async def test_each_subscriber_gets_a_change_once() -> None:
    changes = Changes()
    a, b, c = (Change("model", name) for name in "abc")
    changes.publish(c)
    with changes.subscribe() as first, changes.subscribe() as second:
        for change in (a, b, a, Change("pull", "a")):
            changes.publish(change)
        ours, theirs = aiter(first), aiter(second)
        assert await anext(ours) == [a, b, Change("pull", "a")]
        changes.publish(c)
        changes.publish(a)
        assert await anext(ours) == [c, a]
        assert await anext(theirs) == [a, b, Change("pull", "a"), c]


async def test_events_of_many_models_read_the_store_once(
    service: PowerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[ModelStore] = []
    read = ModelStore.snapshot

    def counted(store: ModelStore) -> Snapshot:
        reads.append(store)
        return read(store)

    monkeypatch.setattr(ModelStore, "snapshot", counted)
    path = tmp_path / "model.gguf"
    path.write_bytes(model_files.gguf())
    names = [f"m{number:02}" for number in range(40)]
    for name in names:
        await service.catalog.register(RegisterRequest(name, str(path)))
    events = service.events.stream()
    snapshot = await anext(events)
    assert [model.id for model in snapshot["models"]] == names
    for name in names:
        await service.loading.pin(name, True)
    await service.catalog.delete("m07")
    await service.loading.pin("m03", False)  # its event has the latest state
    reads.clear()
    received = [msgspec.to_builtins(await anext(events)) for _ in names]
    assert len(reads) == 1
    assert [event.get("id") or event["model"]["id"] for event in received] == names
    assert received[7] == {"type": "model_deleted", "id": "m07"}
    unpinned = [e["model"]["id"] for e in received if "model" in e and not e["model"]["pinned"]]
    assert unpinned == ["m03"]
    await events.aclose()


async def test_the_memory_is_in_the_snapshot_and_followed(
    service: PowerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10 << 30]
    monkeypatch.setattr(event_feed, "MEMORY_INTERVAL", 0.01)
    monkeypatch.setattr(service.events._memory, "_free", lambda: free[0])
    monkeypatch.setattr(service.events._memory, "_total", lambda: 16 << 30)
    events = service.events.stream()
    snapshot = await anext(events)
    assert [device.free for device in snapshot["memory"].devices][:1] == free
    free[0] = 8 << 30
    event = await anext(events)
    assert event["type"] == "memory"
    assert event["memory"].devices[0].free == 8 << 30
    await events.aclose()


async def test_changes_by_other_servers_on_the_home_are_followed(
    service: PowerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "HOME_INTERVAL", 0.02)
    path = tmp_path / "model.gguf"
    path.write_bytes(model_files.gguf())
    other = ModelStore(tmp_path / "power")
    states = PullStates(tmp_path / "power", logging.getLogger("tests"))
    events = service.events.stream()
    await anext(events)

    async def following() -> dict[str, Any]:
        async for event in events:
            if event["type"] != "memory":
                return msgspec.to_builtins(event)
        raise AssertionError("the stream has ended")

    register(other, "theirs", path)
    event = await following()
    assert (event["type"], event["model"]["id"]) == ("model", "theirs")
    other.delete("theirs")
    assert await following() == {"type": "model_deleted", "id": "theirs"}

    status = PullStatus("owner/name:Q4_0", "failed", 1.0)
    states.write(PullState(status))
    event = await following()
    assert (event["type"], event["pull"]["status"]) == ("pull", "failed")
    states.remove(status.name)
    assert await following() == {"type": "pull_deleted", "name": status.name}

    # What the server changes itself is told once.
    await service.catalog.register(RegisterRequest("ours", str(path)))
    assert (await following())["model"]["id"] == "ours"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(following(), 0.2)
    await events.aclose()


async def test_the_end_of_a_stream_logs_no_error(service: PowerService) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    events = service.events.stream()
    await anext(events)
    following = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    await events.aclose()
    for _ in range(5):
        await asyncio.sleep(0)  # the watchers end
    del events, following
    gc.collect()
    await asyncio.sleep(0)
    assert errors == []
