"""Test pulls with a server, their processes and the test hub."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.hub_server import HubServer, run_hub
from support.server_pulls import name_of, partials, pull, start, status_of
from support.servers import Server, events_of, run_server, written_by

TOKEN = "hf_secret_of_the_tests"
RATE = 4_000_000  # bytes per second of each connection, for pulls that take a while
QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    """A hub with the real model under several names."""
    with run_hub(send_buffer=64 * 1024) as running:
        for name in ("Chat", "Paused", "Killed", "Events", "Deleted", "Shared"):
            running.add(f"tests/{name}-GGUF", {"model-Q4_1.gguf": smollm2_path})
        running.add(
            "tests/Gated-GGUF", {"model-Q4_1.gguf": smollm2_path}, gated=True, readers=(TOKEN,)
        )
        yield running


@pytest.fixture(autouse=True)
def _no_failures(hub: HubServer) -> Iterator[None]:
    yield
    hub.clear_failures()


def environ(hub: HubServer) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture(scope="module")
def server(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("pulls"), environ=environ(hub)) as running:
        yield running


@pytest.fixture
def start_on_hub(hub: HubServer, start_server: Callable[..., Server]) -> Callable[..., Server]:
    return lambda **options: start_server(environ=environ(hub), **options)


def test_from_the_hub_to_an_answer(hub: HubServer, server: Server, smollm2_path: Path) -> None:
    name, size = name_of("Chat"), smollm2_path.stat().st_size
    events = pull(server, name)
    statuses = [event["status"] for event in events]
    assert statuses[0] == "resolving"
    assert statuses[-1] == "success"
    assert {"downloading", "verifying"} <= set(statuses)
    progress = [event for event in events if event["status"] == "downloading"]
    completed = [event["completed"] for event in progress]
    assert completed == sorted(completed)
    assert {event["total"] for event in progress} == {size}
    assert set(progress[0]) >= {"bytes_per_second", "eta_seconds"}
    with server.api() as api:
        model = api.get(f"v1/models/{name}").json()
        assert model["source"]["reference"] == name
        assert re.fullmatch("[0-9a-f]{40}", model["source"]["revision"])
        assert (model["size"], model["created"]) == (size, events[-1]["created"])
        messages = [{"role": "user", "content": QUESTION}]
        body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": 24}
        answer = api.post("v1/chat/completions", json=body).json()
        assert "Paris" in answer["choices"][0]["message"]["content"]
        metrics = api.get("metrics").text
    assert status_of(server, name)["status"] == "done"
    pulled = re.search(r"^power_pull_bytes_total (\S+)", metrics, re.MULTILINE)
    assert pulled
    assert float(pulled[1]) == size
    assert partials(server) == []
    served = hub.served()
    assert pull(server, name) == [{"status": "already_exists", "name": name}]
    by_file = "tests/Chat-GGUF/model-Q4_1.gguf"
    assert pull(server, by_file)[-1]["id"] == by_file
    assert hub.served() == served  # the blob existed
    with server.api() as api:
        api.post(f"v1/models/{name}/unload")
    (blob,) = (server.home / "models" / "blobs").glob("sha256-*")
    with blob.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    assert pull(server, name, force=True)[-1]["status"] == "success"
    assert hub.served() > served
    assert blob.read_bytes() == smollm2_path.read_bytes()
    assert_private(server.home)


def test_invalid_requests(hub: HubServer, server: Server) -> None:
    with server.api() as api:
        bad = api.post("v1/models/pull", json={"name": "no reference"})
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_reference")
    last = pull(server, "tests/Chat-GGUF:Q8_0")[-1]
    assert (last["status"], last["error"]["code"]) == ("error", "invalid_reference")
    status = status_of(server, "tests/Chat-GGUF:Q8_0")
    assert (status["status"], status["error"]) == ("failed", last["error"])
    pull(server, name_of("Gated"))
    pull(server, "tests/Nothing-GGUF")
    for name, reason in ((name_of("Gated"), "gated"), ("tests/Nothing-GGUF", "not_found")):
        error = status_of(server, name)["error"]
        assert (error["code"], error["reason"]) == ("hub_unauthorized", reason)


def test_the_token_is_only_sent_to_the_hub(hub: HubServer, server: Server) -> None:
    before = len(hub.requests)
    assert pull(server, name_of("Gated"), token=f" {TOKEN}\n")[-1]["status"] == "success"
    requests = [r for r in hub.requests[before:] if "Gated" in r.path or r.host == "cdn"]
    assert {r.authorization for r in requests if r.host == "hub"} == {f"Bearer {TOKEN}"}
    assert {r.authorization for r in requests if r.host == "cdn"} <= {None}
    assert TOKEN not in written_by(server)
    with server.api() as api:
        assert TOKEN not in api.get("v1/models/pull").text


@pytest.mark.parametrize("inside", ["\n", " ", "\0", "\u200b"])
def test_a_token_with_invalid_characters_is_refused(server: Server, inside: str) -> None:
    body = {"name": name_of("Gated"), "token": f"hf_first{inside}second"}
    with server.api() as api:
        for background in (False, True):
            refused = api.post("v1/models/pull", json=body | {"background": background})
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (400, "invalid_parameter")
            assert error["param"] == "token"
            assert "hf_first" not in refused.text
    assert "hf_first" not in written_by(server)


def test_secrets_of_the_environment_stay_secret(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """HF_TOKEN has a space in it; the URL of the hub, which cannot be reached, a password."""
    environ = {"HF_TOKEN": "hf_first second", "HF_ENDPOINT": "http://ada:open-sesame@127.0.0.1:9"}
    server = start_server("--debug", headless=True, environ=environ, home=tmp_path / "home")
    name = name_of("Gated")
    last = pull(server, name)[-1]
    assert last["error"]["code"] == "invalid_parameter"
    assert "HF_TOKEN" in last["error"]["message"]
    assert status_of(server, name)["error"] == last["error"]
    last = pull(server, name, token="hf_of_the_request")[-1]
    assert (last["error"]["code"], status_of(server, name)["error"]) == ("hub_error", last["error"])
    seen = written_by(server)
    for secret in ("hf_first", "second", "open-sesame", "hf_of_the_request"):
        assert secret not in seen + str(last)


def assert_private(home: Path) -> None:
    """Only the owner has access to the files and folders of a home."""
    paths = [home, *home.rglob("*")]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths}
    expected = {str(path): 0o700 if path.is_dir() else 0o600 for path in paths}
    assert os.name != "posix" or modes == expected


def test_pause_resume_and_cancel(hub: HubServer, server: Server, smollm2_path: Path) -> None:
    name, size = name_of("Paused"), smollm2_path.stat().st_size
    with server.api() as api:  # otherwise the blob of another test would be used
        for model in api.get("v1/models").json()["data"]:
            api.delete(f"v1/models/{model['id']}?force=true")
    hub.fail("model-Q4_1.gguf", times=None, rate=RATE)
    start(server, name, at_least=3_000_000)
    with server.api() as api:
        paused = api.post(f"v1/models/pull/{name}/pause").json()
        assert paused["status"] == "paused"
        assert 3_000_000 <= paused["completed"] < size
        assert api.get(f"v1/models/pull/{name}/status").json() == paused
        assert len(partials(server)) == 1
        assert_private(server.home)
        start(server, name, at_least=paused["completed"] + 1)
        cancelled = api.delete(f"v1/models/pull/{name}?keep_partial=true").json()
        assert (cancelled["status"], len(partials(server))) == ("cancelled", 1)
        start(server, name, at_least=cancelled["completed"] + 1)
        cancelled = api.delete(f"v1/models/pull/{name}").json()
        assert (cancelled["status"], cancelled["completed"]) == ("cancelled", 0)
        assert partials(server) == []
        assert api.post("v1/models/gc", json={"dry_run": True}).json()["removed"] == []


def test_deleting_a_model_cancels_its_pull(hub: HubServer, server: Server) -> None:
    name = name_of("Deleted")
    hub.fail("model-Q4_1.gguf", times=None, rate=RATE)
    start(server, name, at_least=1_000_000)
    with server.api() as api:
        deleted = api.delete(f"v1/models/{name}").json()
        assert deleted["deleted"] is True
        assert deleted["freed_bytes"] >= 1_000_000
        assert api.get(f"v1/models/pull/{name}/status").status_code == 404
        assert api.delete(f"v1/models/{name}").status_code == 404
    assert partials(server) == []


def test_events_and_activity(hub: HubServer, server: Server) -> None:
    name = name_of("Events")
    seen: list[dict[str, Any]] = []
    subscribed = threading.Event()

    def watch() -> None:
        with server.api() as api, api.stream("GET", "v1/events") as response:
            for event in events_of(response):
                seen.append(event)
                subscribed.set()
                pulled = event.get("pull")
                if isinstance(pulled, dict) and pulled["status"] == "cancelled":
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert subscribed.wait(20)
    hub.fail("model-Q4_1.gguf", times=None, rate=RATE)
    start(server, name, at_least=1_000_000)
    with server.api() as api:
        api.delete(f"v1/models/pull/{name}")
    watcher.join(30)
    assert not watcher.is_alive()
    assert seen[0]["type"] == "snapshot"
    assert "pulls" in seen[0]
    states = [event["pull"] for event in seen if event["type"] == "pull"]
    assert {state["name"] for state in states} == {name}
    assert {"resolving", "downloading"} <= {state.get("phase") for state in states}


def test_servers_that_are_killed(
    hub: HubServer, start_on_hub: Callable[..., Server], tmp_path: Path, smollm2_path: Path
) -> None:
    name, size, home = name_of("Killed"), smollm2_path.stat().st_size, tmp_path / "home"
    hub.fail("model-Q4_1.gguf", times=None, rate=RATE)
    served = hub.served()
    kills = 5  # tests/server/hub/test_kill.py kills the process of a pull more often
    for _ in range(kills):
        server = start_on_hub(home=home, headless=True)
        before = status_of(server, name).get("completed", 0)
        start(server, name, at_least=before + 1_500_000)
        children = psutil.Process(server.pid).children(recursive=True)
        os.kill(server.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
    hub.clear_failures()
    server = start_on_hub(home=home)
    status = status_of(server, name)
    assert status["status"] == "paused"
    assert kills * 750_000 <= status["completed"] < size
    events = pull(server, name)
    assert events[-1]["status"] == "success"
    resuming = next(event for event in events if event["status"] == "resuming")
    assert resuming["offset"] >= status["completed"]
    assert hub.served() - served <= size + kills * (4 << 20)


def test_two_servers_on_one_home(
    hub: HubServer, start_on_hub: Callable[..., Server], tmp_path: Path, smollm2_path: Path
) -> None:
    name, size, home = name_of("Shared"), smollm2_path.stat().st_size, tmp_path / "home"
    hub.fail("model-Q4_1.gguf", times=None, rate=5 * RATE)
    served = hub.served()
    first, second = (start_on_hub(home=home) for _ in range(2))
    start(first, name, at_least=1_000_000)
    assert status_of(second, name)["status"] == "pulling"
    with second.api() as api:
        refused = api.post(f"v1/models/pull/{name}/pause")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_busy")
    events = pull(second, name)
    assert events[-1]["status"] == "success"
    assert [event["status"] for event in pull(first, name)][-1] in ("success", "already_exists")
    assert hub.served() - served == size


def test_a_stopped_server_pauses(
    hub: HubServer, start_on_hub: Callable[..., Server], tmp_path: Path
) -> None:
    name, home = name_of("Chat"), tmp_path / "home"
    hub.fail("model-Q4_1.gguf", times=None, rate=RATE)
    server = start_on_hub(home=home)
    start(server, name, at_least=1_000_000)
    last: list[dict[str, Any]] = []
    watcher = threading.Thread(target=lambda: last.extend(pull(server, name)))
    watcher.start()
    time.sleep(0.5)
    os.kill(server.pid, signal.SIGTERM)
    watcher.join(30)
    assert last[0] == {"status": "already_pulling", "name": name}
    assert last[-1]["status"] == "paused"
    assert server.process.wait(30) == 0
    assert status_of(start_on_hub(home=home), name)["status"] == "paused"
