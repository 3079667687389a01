"""Whole pulls in this process: what is registered, and what is told on the way."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import HubError, InsufficientDisk, InvalidModelName
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest
from a3s_power_jupyter.hub.process import job
from a3s_power_jupyter.hub.process.job import Job
from a3s_power_jupyter.hub.protocol import (
    Downloading,
    Event,
    Planned,
    PullRequest,
    Resolving,
    Resuming,
    Verifying,
    Waiting,
)
from a3s_power_jupyter.hub.resolve.plan import Plan, RemoteFile
from a3s_power_jupyter.hub.transfer.parts import Parts
from a3s_power_jupyter.hub.transfer.progress import Progress, Reporter
from a3s_power_jupyter.store import ModelStore
from support.hub_fetching import MIB, POLICY, REPO, random_bytes
from support.hub_repository import files_of
from support.hub_server import HubServer, run_hub
from support.model_files import gguf, model_directory

PATH = "model.Q4_0.gguf"
CONTENT = gguf() + random_bytes(5 * MIB)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub() as running:
        yield running


@dataclass
class Home:
    hub: HubServer
    path: Path
    events: list[Event] = field(default_factory=list)

    def pull(self, reference: str = f"{REPO}:q4_0", **more: Any) -> Manifest:
        self.events.clear()
        asked = {"name": reference, "reference": reference, "home": str(self.path)}
        request = PullRequest(**asked | {"endpoint": self.hub.url} | more)
        return Job(request, self.events.append, threading.Event(), POLICY).run()

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.path)


@pytest.fixture
def home(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
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
    assert [type(event) for event in home.events] == [Resolving, Planned]


def test_shards_and_the_image_part(hub: HubServer, home: Home) -> None:
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
    home.pull(REPO, name="second")  # small files have no hash to look for: fetched again
    assert hub.served("model.safetensors") == 0
    assert len(list((home.path / "models" / "blobs").iterdir())) == len(files)


def test_pulled_again(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    first = home.pull()
    again = home.pull()
    assert again.files == first.files
    assert Resuming(len(CONTENT), len(CONTENT), (len(CONTENT),)) in home.events
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


def test_force_mends_a_blob(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    [blob] = home.store.resolve(home.pull())
    blob.write_bytes(b"x" * len(CONTENT))
    home.pull(force=True)
    assert blob.read_bytes() == CONTENT


def test_a_bad_name_is_told_before_the_first_byte(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    with pytest.raises(InvalidModelName):
        home.pull(name="no name")
    assert not hub.requests


def test_the_users_parameters_stay(hub: HubServer, home: Home, tmp_path: Path) -> None:
    hub.add(REPO, {PATH: CONTENT})
    (tmp_path / "own.gguf").write_bytes(gguf())
    own = RegisterRequest("m", str(tmp_path / "own.gguf"))
    home.store.register(own, DefaultParameters(num_ctx=64))
    assert home.pull(name="m").default_parameters.num_ctx == 64


def test_the_hub_is_asked_anew_when_it_changed_the_file(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    hub.fail(PATH, stage="head", etag="f" * 64, times=1)
    home.pull()
    assert [type(event) for event in home.events] == [Resolving, Planned] * 2


def test_a_hub_that_changes_the_file_all_the_time(hub: HubServer, home: Home) -> None:
    hub.add(REPO, {PATH: CONTENT})
    hub.fail(PATH, stage="head", etag="f" * 64, times=None)
    with pytest.raises(HubError, match="change while"):
        home.pull()


def test_a_partial_taken_away_before_it_is_registered(
    hub: HubServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a second server that cancels a pull of the same file."""
    hub.add(REPO, {PATH: CONTENT})
    describe = job.describe_staged
    taken = []

    def describe_and_lose(name: str, files: dict[str, Path], first: str | None) -> Any:
        found = describe(name, files, first)
        if not taken:
            taken.extend(files.values())
            taken[0].unlink()
        return found

    monkeypatch.setattr(job, "describe_staged", describe_and_lose)
    [blob] = home.store.resolve(home.pull())
    assert blob.read_bytes() == CONTENT
    assert taken
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
def test_a_hub_that_lies_about_names_and_hashes(
    hub: HubServer, home: Home, monkeypatch: pytest.MonkeyPatch, bad: RemoteFile
) -> None:
    plan = Plan(REPO, REPO, "c" * 40, "gguf", (bad,))
    monkeypatch.setattr(job, "make_plan", lambda *_args, **_more: plan)
    with pytest.raises(HubError, match="no file of a model"):
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


# ---------------------------------------------------------------- what is told


@dataclass
class Told:
    """A progress and what its reporter says, under a clock of our own."""

    now: float = 100.0
    said: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.file = file(size=1000)
        self.progress = Progress([self.file, file("small", 24)])
        self.parts = Parts(1000)
        self.part = self.parts.claim_rest(0)
        self.progress.follow(self.file, self.parts)
        self.reporter = Reporter(self.progress, self.said.append, lambda: self.now)

    def tick(self, seconds: float, number: int = 0) -> list[Event]:
        """What is said when `number` bytes came in the last `seconds`."""
        assert self.part is not None
        self.said.clear()
        self.now += seconds
        self.parts.advance(self.part, number)
        self.reporter.tick()
        return [*self.said]


@pytest.fixture
def told() -> Told:
    return Told()


def test_rate_and_eta(told: Told) -> None:
    assert told.tick(0) == [Downloading(0, 1024, 0.0, None, (0, 0))]
    rate, eta = pytest.approx(100.0), pytest.approx(10.14)
    assert told.tick(0.1, 10) == [Downloading(10, 1024, rate, eta, (10, 0))]


def test_little_is_said_while_nothing_comes_and_the_rate_falls_to_nothing(told: Told) -> None:
    told.tick(0.1, 500)
    said = [event for _ in range(60) for event in told.tick(0.1)]
    assert 5 <= len(said) <= 7
    last = said[-1]
    assert isinstance(last, Downloading)
    assert (last.bytes_per_second, last.eta_seconds) == (0.0, None)


def test_completed_never_falls(told: Told) -> None:
    told.tick(0.1, 600)
    told.progress.set(told.file, 0)  # it has to be fetched again
    assert told.progress.completed == 600


def test_waiting_for_another_process(told: Told) -> None:
    told.progress.phase = "waiting"
    told.progress.set(told.file, 300)
    assert told.tick(0.1) == [Waiting(300, 1024)]


@pytest.mark.parametrize("more", [lambda told: told.tick(0.1), lambda told: told.tick(5)])
def test_verifying_is_said_once(told: Told, more: Callable[[Told], list[Event]]) -> None:
    told.tick(0.1, 1000)
    told.progress.set(told.file, 1000)
    told.progress.set(file("small", 24), 24)
    assert told.tick(0.1) == [Verifying()]
    assert more(told) == []
