"""Test registrations that several clients wait for, that are left, and that make no progress."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import PathUnreadable, ServerBusy
from a3s_power_jupyter.contract.types import Manifest, Model, RegisterRequest
from a3s_power_jupyter.service import registration
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.store import registrar
from a3s_power_jupyter.store.files import SourceFile
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.work import Work
from support.model_files import gguf, large_gguf


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return large_gguf(tmp_path / "large.gguf")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.01)


def hashing(service: PowerService) -> int:
    return service._threads.registrations._running


async def begin(service: PowerService, path: Path, name: str = "a") -> asyncio.Task[Model]:
    task = asyncio.create_task(service.catalog.register(RegisterRequest(name, str(path))))
    await asyncio.sleep(0)
    return task


async def leave(*tasks: asyncio.Task[Model]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_equal_requests_share_a_registration(service: PowerService, large: Path) -> None:
    first, second = await begin(service, large), await begin(service, large)
    await until(lambda: hashing(service) == 1)
    await leave(first)
    await asyncio.sleep(0.1)
    assert hashing(service) == 1
    assert not second.done()
    await leave(second)
    await until(lambda: hashing(service) == 0)
    assert await service.catalog.models() == ([], [])


async def test_a_request_after_all_clients_have_left_begins_again(
    service: PowerService, large: Path
) -> None:
    await leave(await begin(service, large))
    second = await begin(service, large)
    await asyncio.sleep(0.1)
    assert hashing(service) >= 1
    assert not second.done()
    await leave(second)


async def test_a_commit_is_completed_after_the_client_has_left(
    service: PowerService, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = ModelStore.save
    saving, proceed = threading.Event(), threading.Event()

    def slow(store: ModelStore, manifest: Manifest) -> None:
        saving.set()
        proceed.wait(60)
        save(store, manifest)

    monkeypatch.setattr(ModelStore, "save", slow)
    with service.catalog._changes.subscribe() as changes:
        task = await begin(service, model)
        await until(saving.is_set)
        await leave(task)
        proceed.set()
        async with asyncio.timeout(60):
            assert [change.name for change in await anext(aiter(changes))] == ["a"]
    assert [one.id for one in (await service.catalog.models())[0]] == ["a"]


async def test_the_stop_of_the_server_ends_registrations(
    service: PowerService, large: Path
) -> None:
    task = await begin(service, large)
    await until(lambda: hashing(service) == 1)
    await service.stop()
    with pytest.raises(ServerBusy, match="shutting down"):
        await task
    await until(lambda: hashing(service) == 0)


async def test_a_registration_without_progress(
    service: PowerService, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    hashed = registrar.registered_in_place

    def hang(source: SourceFile, known: list[Manifest], work: Work | None) -> object:
        disk.wait(60)
        return hashed(source, known, work)

    monkeypatch.setattr(registrar, "registered_in_place", hang)
    monkeypatch.setattr(registration, "SILENCE", 0.1)
    monkeypatch.setattr(registration, "INTERVAL", 0.1)
    with pytest.raises(PathUnreadable, match="no progress"):
        await service.catalog.register(RegisterRequest("a", str(model)))
    monkeypatch.setattr(registrar, "registered_in_place", hashed)
    await service.catalog.register(RegisterRequest("a", str(model)))
    disk.set()
    await until(lambda: hashing(service) == 0)
