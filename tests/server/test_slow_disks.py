"""Real servers with registrations that take minutes, and with disks that hang."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import filelock
import httpx2
import psutil
import pytest

from support import hung_disk
from support.model_files import gguf, large_gguf
from support.paths import TESTS
from support.servers import Server, run_server, unread_post
from support.waiting import wait_until

#: Seconds for an operation that nothing holds up. A large registration takes minutes.
SOON = 30.0
#: Seconds for SIGTERM to end a server, which takes 4 seconds here and never ends if it is held up.
STOP = 30.0

SERVICE = "--PowerApp.service_class=support.hung_disk.HungDiskService"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder that can hang, with a model."""
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(gguf())
    return folder


@pytest.fixture
def server(tmp_path: Path, disk: Path) -> Iterator[Server]:
    environ = {"HUNG_DISK": str(disk), "PYTHONPATH": str(TESTS)}
    with run_server(tmp_path, SERVICE, headless=True, environ=environ) as running:
        yield running


@pytest.fixture
def large(tmp_path: Path) -> list[Path]:
    return [large_gguf(tmp_path / f"large{number}.gguf") for number in range(4)]


def check_other_work(api: httpx2.Client, path: Path, name: str = "small") -> None:
    """Check that other models can be registered, listed and deleted, and garbage collected."""
    for copy in (False, True):
        body = {"name": name, "path": str(path), "copy": copy, "overwrite": True}
        assert api.post("v1/models", json=body, timeout=SOON).status_code == 201
    assert name in [model["id"] for model in api.get("v1/models", timeout=SOON).json()["data"]]
    assert api.post("v1/models/gc", json={}, timeout=SOON).status_code == 200
    assert api.get("v1/models/pull", timeout=SOON).status_code == 200
    assert api.delete(f"v1/models/{name}", timeout=SOON).status_code == 200


def cpu_seconds(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


def stop(server: Server) -> None:
    server.process.terminate()
    assert server.process.wait(STOP) == 0


def test_large_registrations(server: Server, disk: Path, large: list[Path]) -> None:
    blobs = server.home / "models" / "blobs"
    with server.api() as api:
        with ExitStack() as clients:
            for number, path in enumerate(large):
                # Copies fail at once if the disk has less than 200 GB.
                body = {"name": f"large{number}", "path": str(path), "copy": number == 3}
                clients.enter_context(unread_post(server, "v1/models", body))
            time.sleep(1)
            check_other_work(api, disk / "model.gguf")
        time.sleep(1)
        before = cpu_seconds(server)
        time.sleep(1)
        assert cpu_seconds(server) - before < 0.5  # nobody waits any more: nothing is hashed
        assert api.get("v1/models").json()["data"] == []
        assert list(blobs.iterdir()) == []
    with unread_post(server, "v1/models", {"name": "large", "path": str(large[0])}):
        time.sleep(0.5)
        stop(server)


def test_a_disk_of_models_that_hangs(
    server: Server, disk: Path, tmp_path: Path, smollm2_path: Path
) -> None:
    with server.api() as api:
        for name, path in [("good", smollm2_path), ("hung", disk / "model.gguf")]:
            body = {"name": name, "path": str(path), "default_parameters": {"num_ctx": 256}}
            api.post("v1/models", json=body).raise_for_status()
        hung_disk.hang(disk)
        with ExitStack() as clients:
            for number in range(12):
                body = {"name": f"hung{number}", "path": str(disk / "model.gguf")}
                clients.enter_context(unread_post(server, "v1/models", body))
            for route in ("v1/completions", "v1/models/hung/load", "v1/models"):
                body = {"model": "hung", "prompt": "x"} if route == "v1/completions" else {}
                if route == "v1/models":  # the same content again, which checks the old file
                    body = {"name": "hung", "path": str(disk / "model.gguf")}
                clients.enter_context(unread_post(server, route, body))
            time.sleep(0.5)
            (tmp_path / "other.gguf").write_bytes(gguf())
            check_other_work(api, tmp_path / "other.gguf")
            body = {"model": "good", "prompt": "Once upon a", "max_tokens": 2}
            api.post("v1/completions", json=body, timeout=SOON).raise_for_status()
            assert api.delete("v1/models/hung?force=true", timeout=SOON).status_code == 200
        hung_disk.recover(disk)
        check_other_work(api, disk / "model.gguf")
        hung_disk.hang(disk)
        with unread_post(server, "v1/models", {"name": "a", "path": str(disk / "model.gguf")}):
            time.sleep(0.5)
            stop(server)


@pytest.mark.parametrize("loaded", [True, False])
def test_a_home_that_hangs(tmp_path: Path, disk: Path, smollm2_path: Path, loaded: bool) -> None:
    home = disk / "home"
    environ = {"HUNG_DISK": str(disk), "PYTHONPATH": str(TESTS)}
    with (
        run_server(tmp_path, SERVICE, headless=True, environ=environ, home=home) as server,
        server.api() as api,
    ):
        body = {"name": "a", "path": str(smollm2_path), "default_parameters": {"num_ctx": 256}}
        api.post("v1/models", json=body).raise_for_status()
        if loaded:
            api.post("v1/models/a/load", json={"keep_alive": -1}).raise_for_status()
        hung_disk.hang(disk)
        with ExitStack() as clients:
            for route, request in [
                ("v1/models/gc", {}),
                ("v1/models", {"name": "b", "path": str(smollm2_path)}),
                ("v1/models", {"name": "b", "path": str(smollm2_path), "copy": True}),
                ("v1/models/pull", {"name": "owner/repo"}),
                ("v1/models/b/load", {}),
            ]:
                clients.enter_context(unread_post(server, route, request))
            time.sleep(0.5)
            assert api.get("v1/health", timeout=SOON).status_code == 200
            if loaded:
                body = {"model": "a", "prompt": "Once upon a", "max_tokens": 2}
                api.post("v1/completions", json=body, timeout=SOON).raise_for_status()
                listing = api.get("v1/models", timeout=4 * SOON).json()
                assert [model["id"] for model in listing["data"]] == ["a"]
                assert "respond" in listing["problems"][0]["reason"]
            stop(server)


def test_a_lock_that_another_process_holds(server: Server, disk: Path) -> None:
    with server.api() as api:
        check_other_work(api, disk / "model.gguf")
    with filelock.FileLock(server.home / "lock"):
        body = {"name": "a", "path": str(disk / "model.gguf")}
        with (
            unread_post(server, "v1/models", body),
            unread_post(server, "v1/models/gc", {}),
            server.api() as api,
        ):
            time.sleep(0.5)
            assert api.get("v1/models", timeout=SOON).json()["data"] == []
            stop(server)
    wait_until(lambda: server.process.poll() is not None)
