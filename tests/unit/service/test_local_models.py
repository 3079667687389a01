"""Models of other programs are listed beside those that are registered, and named."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import FileNotFound, InvalidParameter
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.service import local_models
from a3s_power_jupyter.service.local_models import LocalModelFinder
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.scan.budget import Budget
from a3s_power_jupyter.store.scan.places import Place
from a3s_power_jupyter.store.scan.scanner import Scan
from a3s_power_jupyter.store.threads import StoreThreads
from support.model_files import gguf


def write(path: Path, content: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf() if content is None else content)
    return path


def finder(service: PowerService, *places: Place) -> LocalModelFinder:
    return LocalModelFinder(service.catalog, StoreThreads(Path("/none")).scans, lambda: places)


async def test_registered_models_are_marked(service: PowerService, tmp_path: Path) -> None:
    here = Place("lmstudio", tmp_path / "lm")
    path = write(here.path / "me" / "tiny" / "tiny-Q4_0.gguf")
    write(here.path / "me" / "other" / "other-Q4_0.gguf", gguf(fill=b"\1"))
    found = finder(service, here)
    listed = (await found.models()).data
    assert [(m.name, m.installed) for m in listed] == [
        ("me/other:Q4_0", None),
        ("me/tiny:Q4_0", None),
    ]
    await service.catalog.register(RegisterRequest("mine", str(path)))
    await service.catalog.register(RegisterRequest("me/other:Q4_0", str(path)))
    listed = (await found.models()).data
    assert [(m.name, m.installed) for m in listed] == [
        ("me/other:Q4_0-2", None),
        ("me/other:Q4_0", "me/other:Q4_0"),
    ]


async def test_a_copy_of_the_content_is_marked(service: PowerService, tmp_path: Path) -> None:
    copied = write(tmp_path / "tiny.gguf")
    model = await service.catalog.register(RegisterRequest("mine", str(copied), copy=True))
    root = tmp_path / "hub"
    blob = write(root / "models--org--tiny" / "blobs" / str(model.sha256))
    link = root / "models--org--tiny" / "snapshots" / "1" / "tiny-Q4_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    [listed] = (await finder(service, Place("huggingface", root)).models()).data
    assert (listed.name, listed.installed) == ("mine", "mine")


async def test_a_folder_that_hangs_holds_up_no_other(
    service: PowerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_models, "PATIENCE", 0.2)
    good, dead = Place("lmstudio", tmp_path / "lm"), Place("ollama", tmp_path / "dead")
    write(good.path / "me" / "tiny" / "tiny-Q4_0.gguf")
    found, calls, end = finder(service, good, dead), [], threading.Event()
    scan = found._scanner.scan

    def hanging(place: Place, budget: Budget) -> Scan:
        if place is dead:
            calls.append(place)
            end.wait(60)
        return scan(place, budget)

    monkeypatch.setattr(found._scanner, "scan", hanging)
    for _ in range(3):
        reply = await found.models()
        assert [m.name for m in reply.data] == ["me/tiny:Q4_0"]
        [problem] = reply.problems
        assert (problem.path, "does not respond" in problem.reason) == (str(dead.path), True)
    assert calls == [dead]
    monkeypatch.setattr(local_models, "PATIENCE", 30.0)
    end.set()
    assert (await found.models()).problems == ()


async def test_a_name_is_proposed_and_kept(service: PowerService, tmp_path: Path) -> None:
    found = service.local_models
    path = write(tmp_path / "a" / "tiny.gguf")
    request = await found.named(RegisterRequest(path=str(path)))
    assert request.name == "tiny"
    await service.catalog.register(request)
    assert (await found.named(RegisterRequest(path=str(path)))).name == "tiny"
    assert (await found.named(RegisterRequest(path=str(tmp_path / "tiny.gguf")))).name == "tiny-2"
    assert (await found.named(RegisterRequest("x", str(path)))).name == "x"
    with pytest.raises(InvalidParameter, match="The name is missing"):
        await found.named(RegisterRequest())


@pytest.mark.parametrize("linked", [False, True])
def test_a_model_that_its_cache_has_deleted_says_what_to_do(tmp_path: Path, linked: bool) -> None:
    blob = path = write(tmp_path / "blobs" / f"sha256-{'ab' * 32}")
    if linked:  # as in the hub's cache
        path = tmp_path / "tiny.gguf"
        path.symlink_to(blob)
    store = ModelStore(tmp_path / "power")
    manifest, _ = store.register(RegisterRequest("llama", str(path)), DefaultParameters())
    assert store.resolve(manifest) == [path]
    blob.unlink()
    with pytest.raises(FileNotFound, match=r"does not exist on the server.*Pull or register") as e:
        store.resolve(manifest)
    assert (f"{path} is a link to {blob}" in e.value.message) is linked
