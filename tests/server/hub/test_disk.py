"""Test pulls to a disk that is full before the pull or becomes full during it, on a small tmpfs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InsufficientDisk
from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.hub.process import job
from a3s_power_jupyter.hub.process.job import Job
from a3s_power_jupyter.hub.transfer.progress import Reporter
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.blobs import HEADROOM
from support.hub_fetching import MIB, REPO, random_bytes, start_pull
from support.hub_server import HubServer, run_hub
from support.model_files import gguf
from support.volume import needs_mount, volume

PATH = "model.Q4_0.gguf"
CONTENT = gguf() + random_bytes(12 * MIB)
SIZE = len(CONTENT)

pytestmark = needs_mount


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub(send_buffer=64 << 10) as running:
        running.add(REPO, {PATH: CONTENT})
        yield running


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A volume of 20 MiB."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with volume(tmp_path / "disk", "20m") as folder:
        yield folder


def pull(hub: HubServer, home: Path, name: str = "m") -> list[PullStatus]:
    emitted: list[PullStatus] = []
    request = start_pull(hub, home, f"{REPO}:q4_0", name)
    Job(request, Reporter(request.status, emitted.append), threading.Event()).run()
    return emitted


def test_insufficient_space_is_reported_before_the_first_byte(hub: HubServer, disk: Path) -> None:
    with pytest.raises(InsufficientDisk) as caught:
        pull(hub, disk / "home")
    assert f"needs {SIZE:,} more bytes" in caught.value.message
    assert f"{HEADROOM:,} that stay free" in caught.value.message
    assert hub.served(PATH) == 0


def test_a_disk_that_becomes_full_and_has_space_again(
    hub: HubServer, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "HEADROOM", 0)
    hub.fail(PATH, rate=2 * MIB, times=None)
    filler = disk / "filler"

    def fill() -> None:
        while not any((disk / "home" / "models" / "blobs").glob("partial-*")):
            time.sleep(0.005)
        filler.write_bytes(b"x" * (12 * MIB))

    filling = threading.Thread(target=fill)
    filling.start()
    with pytest.raises(InsufficientDisk, match="downloaded bytes are kept") as caught:
        pull(hub, disk / "home")
    filling.join()
    assert "more bytes, but" in caught.value.message

    filler.unlink()
    hub.clear_failures()
    hub.requests.clear()
    resumed_from = pull(hub, disk / "home")[-1].resumed_from
    assert isinstance(resumed_from, int)
    assert 6 * MIB < resumed_from < 9 * MIB
    assert hub.served(PATH) == SIZE - resumed_from
    store = ModelStore(disk / "home")
    [blob] = store.resolve(store.get("m"))
    assert blob.read_bytes() == CONTENT


def test_space_for_the_missing_bytes_is_enough(
    hub: HubServer, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are already on disk do not count."""
    monkeypatch.setattr(job, "HEADROOM", 0)
    store = ModelStore(disk / "home")
    pull(hub, disk / "home")
    (disk / "filler").write_bytes(b"x" * (7 * MIB))
    pull(hub, disk / "home", "again")
    assert store.get("again").files == store.get("m").files
