"""Test whole pulls in this process: the registered models and the reported steps."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import (
    HubError,
    InsufficientDisk,
    InvalidModelName,
    ModelAlreadyExists,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, PullStatus, RegisterRequest
from a3s_power_jupyter.hub.process import job
from a3s_power_jupyter.hub.process.job import Job
from a3s_power_jupyter.hub.resolve.plan import Plan
from a3s_power_jupyter.hub.resolve.repository import RemoteFile
from a3s_power_jupyter.hub.transfer.progress import Reporter
from a3s_power_jupyter.store import ModelStore
from support.hub_fetching import MIB, POLICY, REPO, random_bytes, start_pull
from support.hub_repository import files_of
from support.hub_server import HubServer
from support.model_files import gguf, model_directory

PATH = "model.Q4_0.gguf"
CONTENT = gguf() + random_bytes(5 * MIB)


@dataclass
class Home:
    hub: HubServer
    path: Path
    emitted: list[PullStatus] = field(default_factory=list)

    def pull(self, reference: str = f"{REPO}:q4_0", **more: Any) -> Manifest:
        self.emitted.clear()
        request = start_pull(self.hub, self.path, reference, **more)
        reporter = Reporter(request.status, self.emitted.append)
        return Job(request, reporter, threading.Event(), POLICY).run()

    def steps(self) -> list[str]:
        """Return the phase of each status, and ``planned`` for ``resolving`` with a revision."""
        return [
            "planned" if status.phase == "resolving" and status.revision else str(status.phase)
            for status in self.emitted
        ]

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.path)


@pytest.fixture
def home(hub: HubServer, tmp_path: Path, hf_cache: Path) -> Home:
    return Home(hub, tmp_path / "home")


def test_a_gguf_model(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {f"quants/{PATH}": CONTENT})
    manifest = home.pull()
    assert home.store.get(manifest.name) == manifest
    assert manifest.format == "gguf"
    assert manifest.context_length == 128
    [file] = manifest.files
    assert (file.name, file.size) == (PATH, len(CONTENT))
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert manifest.source.reference == f"{REPO}:q4_0"
    assert manifest.source.revision == hub.repositories[REPO].refs["main"]
    assert home.steps() == ["resolving", "planned"]


@pytest.mark.parametrize(
    "path",
    [
        "My Model-Q4_0.gguf",
        "folder #1/Mod\u00e8le [v1], a+b 100%25?&c=d;e-Q4_0.gguf",
        "\u6a21\u578b-Q4_0.gguf",
        "x" * 240 + "-Q4_0.gguf",
    ],
)
def test_a_file_with_a_name_that_a_model_cannot_have(hub: HubServer, home: Home, path: str) -> None:
    hub.add(REPO, {path: CONTENT, "other-Q4_0.gguf": gguf()})
    manifest = home.pull(f"{REPO}/{path}")
    assert manifest.files[0].name == path.rpartition("/")[2]
    assert manifest.files[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert f"The model is called {manifest.name}," in str(home.emitted[-1].note)
    served = hub.served()
    assert home.pull(manifest.name).files == manifest.files
    assert home.pull(f"https://huggingface.co/{REPO}/blob/main/{quote(path)}").name == manifest.name
    assert hub.served() == served
    del hub.repositories[REPO]
    hub.add(REPO, {path: CONTENT})
    assert home.pull().files == manifest.files  # by its tag


def test_shards_and_the_mmproj(hub: HubServer, home: Home) -> None:
    shards = {
        f"Q4_0/m-Q4_0-{number + 1:05}-of-00002.gguf": gguf(
            {"general.architecture": "llama", "split.no": number, "split.count": 2}
        )
        for number in range(2)
    }
    image = gguf({"general.architecture": "clip", "general.type": "mmproj"})
    hub.add(REPO, shards | {"mmproj-m-f16.gguf": image})
    manifest = home.pull()
    assert [(file.name, file.role) for file in manifest.files] == [
        ("m-Q4_0-00001-of-00002.gguf", msgspec.UNSET),
        ("m-Q4_0-00002-of-00002.gguf", msgspec.UNSET),
        ("mmproj-m-f16.gguf", "mmproj"),
    ]
    assert [p.read_bytes() for p in home.store.resolve(manifest)] == [*shards.values(), image]
    assert "vision" in manifest.capabilities


def test_a_directory_model(hub: HubServer, home: Home, tmp_path: Path) -> None:
    folder = model_directory(tmp_path / "model")
    files = files_of(folder)
    hub.add(REPO, files | {"README.md": b"# About", "pytorch_model.bin": b"a pickle"})
    manifest = home.pull(REPO)
    assert manifest.format == "safetensors"
    assert {file.name for file in manifest.files} == set(files)
    for file, path in zip(manifest.files, home.store.resolve(manifest), strict=True):
        assert path.read_bytes() == (folder / file.name).read_bytes()
    hub.requests.clear()
    home.pull(REPO, name="second")  # small files have no SHA-256, so they are fetched again
    assert hub.served("model.safetensors") == 0
    assert len(list((home.path / "models" / "blobs").iterdir())) == len(files)


def test_pulled_again(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    first = home.pull()
    again = home.pull()
    assert again.files == first.files
    assert home.steps() == ["resolving", "planned", "downloading"]
    assert home.emitted[-1].resumed_from == home.emitted[-1].total == len(CONTENT)
    assert hub.served(PATH) == len(CONTENT)


def test_a_new_commit_replaces_the_old_blob(hub: HubServer, home: Home) -> None:
    repository = hub.add(REPO, {PATH: CONTENT})
    home.pull()
    other = gguf() + random_bytes(MIB, seed=2)
    commit = repository.commit({PATH: other})
    manifest = home.pull(force=True)
    assert manifest.source.revision == commit
    [blob] = (home.path / "models" / "blobs").iterdir()
    assert blob.read_bytes() == other


def test_force_repairs_a_blob(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    [blob] = home.store.resolve(home.pull())
    blob.write_bytes(b"x" * len(CONTENT))
    home.pull(force=True)
    assert blob.read_bytes() == CONTENT


def test_an_invalid_name_is_rejected_before_the_first_byte(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    with pytest.raises(InvalidModelName):
        home.pull(name="no name")
    assert not hub.requests


def test_default_parameters_are_kept(hub: HubServer, home: Home, tmp_path: Path) -> None:
    hub.add(REPO, {PATH: CONTENT})
    (tmp_path / "own.gguf").write_bytes(gguf())
    own = RegisterRequest("m", str(tmp_path / "own.gguf"))
    home.store.register(own, DefaultParameters(num_ctx=64))
    assert home.pull(name="m").default_parameters.num_ctx == 64


def test_a_new_plan_if_the_hub_changes_the_file(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    hub.fail(PATH, stage="head", etag="f" * 64, times=1)
    home.pull()
    assert home.steps() == ["resolving", "planned"] * 2


def test_a_hub_that_keeps_changing_the_file(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    hub.fail(PATH, stage="head", etag="f" * 64, times=None)
    with pytest.raises(HubError, match="changed during"):
        home.pull()


def test_a_partial_that_is_removed_before_it_is_registered(
    hub: HubServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example by a second server that cancels a pull of the same file."""
    hub.add(REPO, {PATH: CONTENT})
    describe = job.describe_staged
    removed = []

    def describe_and_remove(name: str, files: dict[str, Path], first: str | None) -> Any:
        described = describe(name, files, first)
        if not removed:
            removed.extend(files.values())
            removed[0].unlink()
        return described

    monkeypatch.setattr(job, "describe_staged", describe_and_remove)
    [blob] = home.store.resolve(home.pull())
    assert blob.read_bytes() == CONTENT
    assert removed
    assert hub.served(PATH) == 2 * len(CONTENT)


def file(path: str = PATH, size: int = 100, **more: Any) -> RemoteFile:
    return RemoteFile(path, size, f"https://hub.example/{path}", "etag", **more)


@pytest.mark.parametrize(
    "bad",
    [
        file("../outside.gguf"),
        file("/etc/passwd"),
        file("a/../../b"),
        file("a\\..\\b"),
        file(sha256="../../lock"),
        file(sha256="f" * 63),
        file(size=-1),
    ],
)
def test_unsafe_names_and_hashes_of_the_hub(
    hub: HubServer, home: Home, monkeypatch: pytest.MonkeyPatch, bad: RemoteFile
) -> None:
    plan = Plan(REPO, REPO, "c" * 40, "gguf", (bad,))
    monkeypatch.setattr(job, "make_plan", lambda *_args, **_more: plan)
    with pytest.raises(HubError, match="cannot be a model file"):
        home.pull()
    assert not home.path.exists()


def test_a_file_larger_than_the_disk(
    hub: HubServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 1 << 60
    plan = Plan(REPO, REPO, "c" * 40, "gguf", (file(size=size, sha256="f" * 64),))
    monkeypatch.setattr(job, "make_plan", lambda *_args, **_more: plan)
    with pytest.raises(InsufficientDisk, match=f"{size:,}"):
        home.pull()


def test_a_model_that_is_registered_meanwhile_is_kept(hub: HubServer, home: Home) -> None:
    """The server refuses such a registration, but one in progress may end during the pull."""
    hub.add(REPO, {PATH: CONTENT})
    mine = home.path.parent / "mine.gguf"
    mine.write_bytes(gguf())
    name = f"{REPO}:q4_0"

    def register(status: PullStatus) -> None:
        if status.phase == "resolving" and status.revision:
            home.store.register(RegisterRequest(name=name, path=str(mine)), DefaultParameters())

    request = start_pull(hub, home.path, name)
    pull = Job(request, Reporter(request.status, register), threading.Event(), POLICY)
    with pytest.raises(ModelAlreadyExists, match=f"registered as '{name}' while"):
        pull.run()
    assert [file.path for file in home.store.get(name).files] == [str(mine)]
    served = hub.served(PATH)
    home.store.delete(name)
    assert home.pull().size_bytes == len(CONTENT)
    assert hub.served(PATH) == served  # nothing is downloaded again
