"""Test models in memory whose manifests are deleted, replaced or cannot be read."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ModelNotFound, StoreUnavailable
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from a3s_power_jupyter.service import store_watch
from a3s_power_jupyter.service.store_watch import StoreWatch
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.threads import Threads
from support.fakes import settle
from support.model_files import LLAMA, gguf
from support.registering import register
from support.scheduler_bench import Bench, fixed

LOG = logging.getLogger("tests")


class WatchBench:
    """A loaded model `a` in the store of this server, and the store of another one."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        self.path = tmp_path / "model.gguf"
        self.path.write_bytes(gguf())
        self.bench = Bench(max_models=4)
        self.other = ModelStore(self.home)
        threads = Threads("the model store", StoreUnavailable)
        self.watch = StoreWatch(ModelStore(self.home), threads, self.bench.scheduler, LOG)

    def plan(self, manifest: Manifest) -> LoadPlan:
        plan = self.bench.plan(manifest.name)
        return fixed(LoadPlan(manifest, plan.parameters, plan.prepare, 10, 300.0, plan.renew))

    async def load(self, name: str, **more: Any) -> None:
        manifest, _ = register(self.other, name, self.path, **more)
        await self.bench.scheduler.load(self.plan(manifest))

    async def names(self) -> list[str]:
        return [manifest.name for manifest in (await self.watch.look()).manifests]

    def state(self, name: str) -> str:
        return self.bench.state(name)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[WatchBench]:
    bench = WatchBench(tmp_path)
    await bench.load("a")
    yield bench
    bench.watch.stop()
    await bench.bench.scheduler.stop()


async def test_nothing_changed(bench: WatchBench) -> None:
    assert await bench.names() == ["a"]
    register(bench.other, "b", bench.path)
    register(bench.other, "a", bench.path, copy=True)  # the same content in another place
    assert await bench.names() == ["a", "b"]
    assert bench.state("a") == "loaded"


@pytest.mark.parametrize("busy", [False, True])
async def test_a_deleted_model(
    bench: WatchBench, caplog: pytest.LogCaptureFixture, busy: bool
) -> None:
    bench.bench.scheduler.pin("a", True)
    if busy:
        running, finish = await bench.bench.hold("a")
    bench.other.delete("a")
    assert await bench.names() == ["a"]  # until it is unloaded
    assert await bench.names() in (["a"], [])
    assert caplog.text.count("a was deleted") == 1
    if busy:
        assert bench.state("a") == "busy"
        finish.set()
        await running
    await settle()
    assert bench.state("a") == "unloaded"
    assert not bench.bench.scheduler.pinned("a")
    assert await bench.names() == []
    assert ("a", "evicted: deleted") in bench.bench.events


@pytest.mark.parametrize("change", ["files", "parameters"])
async def test_a_replaced_model(
    bench: WatchBench, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    if change == "files":
        bench.path.write_bytes(gguf(LLAMA | {"llama.context_length": 256}))
    parameters = {"num_ctx": 64} if change == "parameters" else {}
    register(bench.other, "a", bench.path, overwrite=True, default_parameters=parameters)
    assert await bench.names() == ["a"]
    await settle()
    assert "a was replaced" in caplog.text
    assert ("a", "evicted: replaced") in bench.bench.events


async def test_defaults_of_requests_do_not_unload_a_model(bench: WatchBench) -> None:
    changed = {"temperature": 0.1, "system": "Be brief.", "keep_alive": "1h"}
    register(bench.other, "a", bench.path, overwrite=True, default_parameters=changed)
    assert await bench.names() == ["a"]
    await settle()
    assert bench.state("a") == "loaded"


async def test_a_removed_home(bench: WatchBench) -> None:
    await bench.load("b")
    shutil.rmtree(bench.home)
    assert await bench.names() == ["a", "b"]
    await settle()
    assert bench.bench.scheduler.runners() == []
    assert all(worker.exited for worker in bench.bench.workers)


async def test_a_damaged_manifest_is_not_a_deleted_one(bench: WatchBench) -> None:
    (bench.home / "models/manifests/a.json").write_text("{")
    assert await bench.names() == ["a"]
    assert bench.state("a") == "loaded"


async def test_a_store_that_cannot_be_read(
    bench: WatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    register(bench.other, "b", bench.path)
    models = bench.home / "models"
    models.rename(bench.home / "moved")
    models.write_text("in the way")
    for _ in range(2):
        listing = await bench.watch.look()
        assert [manifest.name for manifest in listing.manifests] == ["a"]
        assert isinstance(listing.error, StoreUnavailable)
    assert bench.state("a") == "loaded"
    assert caplog.text.count("models is a file") == 1
    models.unlink()
    (bench.home / "moved").rename(models)
    assert await bench.names() == ["a", "b"]


async def test_changes_are_noticed_without_a_request(
    bench: WatchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "INTERVAL", 0.01)
    bench.watch.start()
    bench.other.delete("a")
    async with asyncio.timeout(60):
        while bench.state("a") != "unloaded":  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0.01)


async def test_a_deleted_model_is_noticed_by_its_next_request(bench: WatchBench) -> None:
    with pytest.raises(ModelNotFound):
        bench.other.get("b")
    bench.watch.compare("b", None)  # not in memory
    bench.watch.compare("a", bench.other.get("a"))
    assert bench.state("a") == "loaded"
    bench.watch.compare("a", None)
    assert bench.state("a") == "unloading"
