"""Pulls in processes of their own, which are killed, paused, doubled, and left behind."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.hub.protocol import Done, Downloading, Failed, Paused, Resuming, Verifying
from a3s_power_jupyter.store import ModelStore
from support.hub_fetching import MIB, REPO, Puller, pulling, random_bytes
from support.hub_server import HubServer, run_hub

TOKEN = "hf_of-the-tests"
PATH = "model.Q4_1.gguf"
REFERENCE = f"{REPO}:q4_1"
KILLS = 20


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub(send_buffer=64 << 10) as running:
        yield running


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Path:
    """The real model, with bytes behind its tensors that make it more than 100 MB."""
    path = tmp_path_factory.mktemp("large") / PATH
    path.write_bytes(smollm2_path.read_bytes() + random_bytes(8 * MIB))
    return path


def last_event(puller: Puller) -> object:
    return [*puller.events][-1]


def registered(home: Path, file: Path) -> Manifest:
    """The model, once its blob was seen to be the file, and nothing else to be left."""
    store = ModelStore(home)
    manifest = store.get(REFERENCE)
    [blob] = store.resolve(manifest)
    assert hashlib.sha256(blob.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert [path.name for path in blob.parent.iterdir()] == [blob.name]
    assert not [*(home / "pulls").iterdir()]
    return manifest


def test_a_pull_from_end_to_end(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large}, private=True, readers=(TOKEN,))
    hub.fail(PATH, rate=20e6, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE, token=TOKEN) as puller:
        events = [*puller.events]
        log = puller.log()
    assert isinstance(events[-1], Done), events[-1]
    completed = [event.completed for event in events if isinstance(event, Downloading)]
    assert completed == sorted(completed)
    assert len(completed) > 3
    assert len([event for event in events if isinstance(event, Verifying)]) == 1
    manifest = registered(tmp_path / "home", large)
    assert manifest.source.revision == hub.repositories[REPO].refs["main"]
    assert manifest.details.family == "llama"
    assert TOKEN not in log
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and TOKEN.encode() in f.read_bytes()]
    assert {r.authorization for r in hub.requests if r.host == "cdn"} == {None}


def test_killed_again_and_again(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=6e6, times=None)
    chance = random.Random(7)  # noqa: S311
    for _ in range(KILLS):
        with pulling(hub, tmp_path / "home", REFERENCE) as puller:
            if chance.random() < 0.8:
                next(event for event in puller.events if isinstance(event, (Downloading, Done)))
            time.sleep(chance.uniform(0, 0.25))
            puller.kill()
    hub.behave()
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        events = [*puller.events]
    assert isinstance(events[-1], Done), events[-1]
    assert any(isinstance(event, Resuming) for event in events)
    registered(tmp_path / "home", large)
    size = large.stat().st_size
    assert size <= hub.served(PATH) <= size + KILLS * 4 * MIB


def test_paused_and_taken_up(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=6e6, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        next(e for e in puller.events if isinstance(e, Downloading) and e.completed > 2 * MIB)
        puller.pause()
        paused = last_event(puller)
    assert isinstance(paused, Paused)
    assert 2 * MIB < paused.completed < large.stat().st_size
    hub.behave()
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        events = [*puller.events]
    [resuming] = [event for event in events if isinstance(event, Resuming)]
    assert resuming.offset == paused.completed
    assert isinstance(events[-1], Done)
    registered(tmp_path / "home", large)


def test_it_ends_with_the_server(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, silent_after=MIB, silent_for=60.0, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        next(event for event in puller.events if isinstance(event, Downloading))
        puller.hang_up()
        assert puller.process.wait(timeout=5) == 0


def test_two_processes_fetch_once(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=20e6, times=None)
    home = tmp_path / "home"
    with (
        pulling(hub, home, REFERENCE) as first,
        pulling(hub, home, REFERENCE, name="another") as second,
    ):
        ends = [last_event(first), last_event(second)]
    assert all(isinstance(event, Done) for event in ends), ends
    assert hub.served(PATH) == large.stat().st_size
    registered(home, large)
    assert ModelStore(home).get("another").files == ModelStore(home).get(REFERENCE).files


def test_the_second_takes_over_from_a_first_that_is_killed(
    hub: HubServer, tmp_path: Path, large: Path
) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=10e6, times=None)
    home = tmp_path / "home"
    with pulling(hub, home, REFERENCE) as first:
        next(event for event in first.events if isinstance(event, Downloading))
        with pulling(hub, home, REFERENCE) as second:
            time.sleep(1)
            first.kill()
            assert isinstance(last_event(second), Done)
    registered(home, large)
    assert hub.served(PATH) <= large.stat().st_size + 4 * MIB


def test_a_file_that_is_no_model_is_not_registered(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, {PATH: b"no GGUF at all" * 1000})
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        failed = last_event(puller)
    assert isinstance(failed, Failed)
    assert failed.error["code"] == "invalid_gguf"
    assert REPO in failed.error["message"]
    assert not [*(tmp_path / "home" / "models" / "blobs").iterdir()]


def test_the_request_is_in_no_argument_and_no_environment(
    hub: HubServer, tmp_path: Path, large: Path
) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=1e6, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE, token=TOKEN) as puller:
        next(iter(puller.events))
        process = psutil.Process(puller.process.pid)
        assert TOKEN not in " ".join(process.cmdline())
        assert TOKEN not in process.environ().values()
