"""Test pulls in their own processes, which are killed, paused, duplicated and abandoned."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.contract.types import Manifest, PullStatus
from a3s_power_jupyter.store import ModelStore
from support.hub_fetching import MIB, REPO, Puller, pulling, random_bytes
from support.hub_server import HubServer

TOKEN = "hf_of-the-tests"
PATH = "model.Q4_1.gguf"
REFERENCE = f"{REPO}:q4_1"
KILLS = 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Path:
    """The real model, padded to more than 100 MB."""
    path = tmp_path_factory.mktemp("large") / PATH
    path.write_bytes(smollm2_path.read_bytes() + random_bytes(8 * MIB))
    return path


def last_status(puller: Puller) -> PullStatus:
    return [*puller.statuses][-1]


def first_bytes(puller: Puller, at_least: int = 1) -> None:
    """Wait until bytes have arrived, or the pull is done."""
    next(s for s in puller.statuses if s.status == "done" or s.completed >= at_least)


def registered(home: Path, file: Path) -> Manifest:
    """Check that the blob is the file and that no other files are left; return the model."""
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
        statuses = [*puller.statuses]
        log = puller.log()
    assert statuses[-1].status == "done", statuses[-1]
    completed = [status.completed for status in statuses if status.phase == "downloading"]
    assert completed == sorted(completed)
    assert len(completed) > 3
    assert len([status for status in statuses if status.phase == "verifying"]) == 1
    manifest = registered(tmp_path / "home", large)
    assert manifest.source.revision == hub.repositories[REPO].refs["main"]
    assert manifest.details.family == "llama"
    assert TOKEN not in log
    assert "Signature" not in log  # of a signed link
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and TOKEN.encode() in f.read_bytes()]
    assert {r.authorization for r in hub.requests if r.host == "cdn"} == {None}


def test_a_pull_that_is_killed_repeatedly(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=6e6, times=None)
    chance = random.Random(7)  # noqa: S311
    for _ in range(KILLS):
        with pulling(hub, tmp_path / "home", REFERENCE) as puller:
            if chance.random() < 0.8:
                first_bytes(puller)
            time.sleep(chance.uniform(0, 0.25))
            puller.kill()
    hub.clear_failures()
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        last = last_status(puller)
    assert last.status == "done", last
    assert last.resumed_from
    registered(tmp_path / "home", large)
    size = large.stat().st_size
    assert size <= hub.served(PATH) <= size + KILLS * 4 * MIB


def test_pause_and_resume(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=6e6, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        first_bytes(puller, at_least=2 * MIB + 1)
        puller.pause()
        paused = last_status(puller)
    assert paused.status == "paused"
    assert 2 * MIB < paused.completed < large.stat().st_size
    hub.clear_failures()
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        last = last_status(puller)
    assert (last.status, last.resumed_from) == ("done", paused.completed)
    registered(tmp_path / "home", large)


def test_a_pull_ends_with_its_server(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, stall_after=MIB, stall_for=60.0, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        first_bytes(puller)
        puller.hang_up()
        assert puller.process.wait(timeout=5) == 0


def test_two_processes_download_a_file_once(hub: HubServer, tmp_path: Path, large: Path) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=20e6, times=None)
    home = tmp_path / "home"
    with (
        pulling(hub, home, REFERENCE) as first,
        pulling(hub, home, REFERENCE, name="another") as second,
    ):
        ends = [last_status(first), last_status(second)]
    assert [status.status for status in ends] == ["done", "done"], ends
    assert hub.served(PATH) == large.stat().st_size
    registered(home, large)
    assert ModelStore(home).get("another").files == ModelStore(home).get(REFERENCE).files


def test_a_second_process_continues_for_a_killed_one(
    hub: HubServer, tmp_path: Path, large: Path
) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=10e6, times=None)
    home = tmp_path / "home"
    with pulling(hub, home, REFERENCE) as first:
        first_bytes(first)
        with pulling(hub, home, REFERENCE) as second:
            time.sleep(1)
            first.kill()
            assert last_status(second).status == "done"
    registered(home, large)
    assert hub.served(PATH) <= large.stat().st_size + 4 * MIB


def test_an_invalid_file_is_not_registered(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, {PATH: b"no GGUF at all" * 1000})
    with pulling(hub, tmp_path / "home", REFERENCE) as puller:
        failed = last_status(puller)
    assert failed.status == "failed"
    assert isinstance(failed.error, dict)
    assert (failed.error["code"], failed.error["reason"]) == ("invalid_gguf", "damaged_on_hub")
    assert REPO in failed.error["message"]
    assert not [*(tmp_path / "home" / "models" / "blobs").iterdir()]


def test_the_token_is_not_in_arguments_or_environment(
    hub: HubServer, tmp_path: Path, large: Path
) -> None:
    hub.add(REPO, {PATH: large})
    hub.fail(PATH, rate=1e6, times=None)
    with pulling(hub, tmp_path / "home", REFERENCE, token=TOKEN) as puller:
        next(puller.statuses)
        process = psutil.Process(puller.process.pid)
        assert TOKEN not in " ".join(process.cmdline())
        assert TOKEN not in process.environ().values()
