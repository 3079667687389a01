"""Models of other programs are listed beside those that are registered, and named."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InvalidModelName,
    InvalidParameter,
    ModelAlreadyExists,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterBody, RegisterRequest
from a3s_power_jupyter.service import local_models
from a3s_power_jupyter.service.local_models import LocalModelFinder, kept_parameters
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
    request, _ = await found.completed(RegisterBody(path=str(path)))
    assert request.name == "tiny"
    await service.catalog.register(request)
    assert (await found.completed(RegisterBody(path=str(path))))[0].name == "tiny"
    other, _ = await found.completed(RegisterBody(path=str(tmp_path / "tiny.gguf")))
    assert other.name == "tiny-2"
    assert (await found.completed(RegisterBody("x", str(path))))[0].name == "x"
    with pytest.raises(InvalidParameter, match="The name is missing"):
        await found.completed(RegisterBody())


@pytest.mark.parametrize(
    "body", [RegisterBody("", "/tiny.gguf"), RegisterBody("", format="remote")]
)
async def test_an_empty_name_is_not_a_missing_one(
    service: PowerService, body: RegisterBody
) -> None:
    request, _ = await service.local_models.completed(body)
    with pytest.raises(InvalidModelName, match="The name is empty"):
        await service.catalog.register(request)


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


def ollama(root: Path, name: str, **layers: str) -> Path:
    """Create a model of Ollama, and return its manifest."""
    described = []
    for kind, content in {"model": gguf(), **layers}.items():
        raw = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        write(root / "blobs" / f"sha256-{digest}", raw)
        media_type = f"application/vnd.ollama.image.{kind}"
        described.append({"mediaType": media_type, "digest": f"sha256:{digest}"})
    manifest = root / "manifests" / "registry.ollama.ai" / name
    return write(manifest, json.dumps({"layers": described}).encode())


async def test_models_of_ollama_keep_their_settings(service: PowerService, tmp_path: Path) -> None:
    plain = ollama(tmp_path, "library/tiny/1b")
    tuned = ollama(tmp_path, "me/tuned/v1", system="Be brief.", params='{"seed": 7, "num_keep": 1}')
    found = finder(service, Place("ollama", tmp_path))

    async def listed() -> list[tuple[str, str, str | None]]:
        return [(m.path, m.name, m.installed) for m in (await found.models()).data]

    assert await listed() == [
        (str(tuned), "me/tuned:v1", None),
        (str(plain), "tiny:1b", None),
    ]
    offered = (await found.models()).data[0]
    assert offered.default_parameters == DefaultParameters(seed=7, system="Be brief.")
    assert offered.notes == ("Not taken over from Ollama: num_keep.",)
    request, notes = await found.completed(RegisterBody(path=str(tuned)))
    assert (request.name, notes) == ("me/tuned:v1", offered.notes)
    model = await service.catalog.register(request)
    assert model.default_parameters == offered.default_parameters
    assert await listed() == [
        (str(tuned), "me/tuned:v1", "me/tuned:v1"),
        (str(plain), "tiny:1b", None),
    ]
    await service.catalog.register((await found.completed(RegisterBody("a", str(plain))))[0])
    assert (str(plain), "a", "a") in await listed()


async def test_parameters_of_a_request_replace_those_of_ollama(
    service: PowerService, tmp_path: Path
) -> None:
    tuned = ollama(tmp_path, "me/tuned/v1", system="Be brief.", params='{"seed": 7}')
    given = {"seed": 8, "system": None, "top_k": 1}
    request, _ = await service.local_models.completed(
        RegisterBody("x", str(tuned), default_parameters=given)
    )
    assert request.default_parameters == {"seed": 8, "top_k": 1}
    again, _ = await service.local_models.completed(RegisterBody(path=str(tuned)))
    await service.catalog.register(again)
    again, _ = await service.local_models.completed(RegisterBody(path=str(tuned)))
    assert again.name == "me/tuned:v1"


@pytest.mark.parametrize("copy", [False, True])
async def test_a_model_of_ollama_keeps_its_parameters(
    service: PowerService, tmp_path: Path, copy: bool
) -> None:
    tuned = ollama(tmp_path, "me/tuned/v1", system="Be brief.", params='{"seed": 7}')

    async def register(**more: Any) -> tuple[DefaultParameters, tuple[str, ...]]:
        body = RegisterBody("x", str(tuned), copy=copy, **more)
        request, _ = await service.local_models.completed(body)
        model = await service.catalog.register(request)
        return model.default_parameters, kept_parameters(request, model)

    of_ollama = DefaultParameters(seed=7, system="Be brief.")
    assert await register() == (of_ollama, ())
    await service.defaults.change("x", {"seed": 8, "system": None})
    kept, [note] = await register()
    assert kept == DefaultParameters(seed=8)
    assert "keeps its default parameters" in note
    with pytest.raises(ModelAlreadyExists):
        await register(default_parameters={})
    assert await register(overwrite=True) == (of_ollama, ())
    assert await register(default_parameters={"seed": 7}) == (of_ollama, ())


async def test_a_copy_of_a_model_of_ollama_is_restored_with_its_settings(
    service: PowerService, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "power")
    tuned = ollama(tmp_path, "me/tuned/v1", system="Be brief.", params='{"num_ctx": 64}')
    request, _ = await service.local_models.completed(
        RegisterBody("x", str(tuned), copy=True, default_parameters={"stop": ["END"]})
    )
    model = await service.catalog.register(request)
    [blob] = store.resolve(store.get("x"))
    blob.unlink()
    with pytest.raises(FileNotFound, match=f"from {store.get('x').source.path} with"):
        store.resolve(store.get("x"))
    named = RegisterBody("x", str(store.get("x").source.path), copy=True)
    restored = await service.catalog.register((await service.local_models.completed(named))[0])
    assert restored.default_parameters == model.default_parameters
    assert restored.default_parameters.system == "Be brief."
    assert store.resolve(store.get("x")) == [blob]


async def test_a_model_of_ollama_registered_by_its_file_is_marked(
    service: PowerService, tmp_path: Path
) -> None:
    ollama(tmp_path, "library/tiny/1b")
    [blob] = (tmp_path / "blobs").iterdir()
    await service.catalog.register(RegisterRequest("mine", str(blob)))
    found = finder(service, Place("ollama", tmp_path))
    assert [m.installed for m in (await found.models()).data] == ["mine"]
    ollama(tmp_path, "me/tuned/v1", system="Be brief.")
    assert {m.name: m.installed for m in (await found.models()).data} == {
        "mine": "mine",
        "me/tuned:v1": None,
    }
