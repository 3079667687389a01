"""Loads, idle unloading, eviction, pins, events and copies over REST, with a real model."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.servers import Server, events_of, remove_models, run_server
from support.waiting import wait_until

SMALL = {"num_ctx": 256}  # keeps three of them in little memory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that loads two models at a time."""
    folder = tmp_path_factory.mktemp("lifecycle")
    with run_server(folder, "--PowerApp.max_loaded_models=2", headless=True) as running:
        yield running


@pytest.fixture
def api(server: Server, smollm2_path: Path) -> Iterator[httpx2.Client]:
    """A client of the server, which has three names for the real model."""
    with server.api() as client:
        for name in "abc":
            body = {"name": name, "path": str(smollm2_path), "default_parameters": SMALL}
            client.post("v1/models", json=body).raise_for_status()
        yield client
    remove_models(server)


def ask(api: httpx2.Client, name: str, **more: Any) -> None:
    body = {"model": name, "prompt": "Once upon a", "max_tokens": 2, **more}
    api.post("v1/completions", json=body).raise_for_status()


def states(api: httpx2.Client) -> str:
    """Return the first letters of the states of a, b and c: "lul" is loaded, unloaded, loaded."""
    return "".join(model["state"][0] for model in api.get("v1/models").json()["data"])


def test_the_least_recently_used_model_is_evicted_unless_it_is_pinned(
    api: httpx2.Client,
) -> None:
    for name in "aba":
        ask(api, name)
    assert states(api) == "llu"
    ask(api, "c")
    assert states(api) == "lul"
    assert api.post("v1/models/a/pin").json()["pinned"] is True
    ask(api, "c")
    ask(api, "b")
    assert states(api) == "llu"
    api.post("v1/models/b/pin").raise_for_status()
    refused = api.post("v1/completions", json={"model": "c", "prompt": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_busy")
    assert refused.headers["Retry-After"]
    assert api.post("v1/models/b/unpin").json()["pinned"] is False
    ask(api, "c")
    assert states(api) == "lul"


def test_keep_alive_of_a_request_starts_at_its_end(api: httpx2.Client) -> None:
    ask(api, "a", keep_alive=0)
    wait_until(lambda: states(api)[0] == "u")
    ask(api, "a", keep_alive="1s")
    model = api.get("v1/models/a").json()
    assert model["expires_at"] - model["last_used_at"] == pytest.approx(1.0, abs=0.01)
    wait_until(lambda: states(api)[0] == "u")
    ask(api, "a", keep_alive=-1)
    assert "expires_at" not in api.get("v1/models/a").json()
    bad = api.post("v1/completions", json={"model": "a", "prompt": "x", "keep_alive": "later"})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_keep_alive")


def test_only_load_changes_load_parameters(api: httpx2.Client) -> None:
    ask(api, "a")
    assert api.get("v1/models/a").json()["num_ctx"] == 256
    loaded = api.post("v1/models/a/load", json={"num_ctx": 512, "keep_alive": "1h"}).json()
    assert loaded["num_ctx"] == 512
    assert loaded["expires_at"] - loaded["last_used_at"] == pytest.approx(3600, abs=1)
    ask(api, "a")
    assert api.get("v1/models/a").json()["num_ctx"] == 512


def test_a_reload_waits_for_the_requests_in_progress(api: httpx2.Client) -> None:
    body = {"model": "a", "prompt": "x", "max_tokens": 100, "stream": True}
    body["logit_bias"] = {"0": -100, "2": -100, "4": -100}
    loaded: list[httpx2.Response] = []

    def load() -> None:
        loaded.append(api.post("v1/models/a/load", json={"num_ctx": 512}))

    with api.stream("POST", "v1/completions", json=body) as reply:
        events = events_of(reply)
        next(events)
        loader = threading.Thread(target=load)
        loader.start()
        *_, last = events
    loader.join(60)
    assert last["choices"][0]["finish_reason"] == "length"  # type: ignore[index]
    assert loaded[0].json()["num_ctx"] == 512


def test_concurrent_requests_load_a_model_once(api: httpx2.Client) -> None:
    def loads() -> float:
        for line in api.get("metrics").text.splitlines():
            if line.startswith("power_model_load_duration_seconds_count"):
                return float(line.split()[1])
        return 0.0

    before = loads()
    threads = [threading.Thread(target=ask, args=(api, "a")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads() == before + 1


def test_unloading_and_deleting_a_busy_model_requires_force(api: httpx2.Client) -> None:
    body = {"model": "a", "prompt": "x", "max_tokens": 200, "stream": True}
    body["logit_bias"] = {"0": -100, "2": -100, "4": -100}
    with api.stream("POST", "v1/completions", json=body) as reply:
        events = events_of(reply)
        next(events)
        for refused in (api.post("v1/models/a/unload"), api.delete("v1/models/a")):
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_busy")
        assert api.delete("v1/models/a?force=true").json()["deleted"] is True
        *_, last = events
    assert last["error"]["code"] == "worker_died"  # type: ignore[index]
    assert api.get("v1/models/a").status_code == 404


def state_in(event: dict[str, Any]) -> str | None:
    """Return the state in an event about a model."""
    return event["model"]["state"] if event["type"] == "model" else None


def test_events_report_every_change_after_a_snapshot(api: httpx2.Client) -> None:
    seen: list[dict[str, Any]] = []
    started = threading.Event()

    def follow() -> None:
        with api.stream("GET", "v1/events") as reply:
            for event in events_of(reply):
                seen.append(event)
                started.set()
                if event["type"] == "model_deleted":
                    return

    follower = threading.Thread(target=follow)
    follower.start()
    assert started.wait(20)
    ask(api, "a")
    # Events are about the latest state, so states that pass at once may be skipped.
    wait_until(lambda: any(state_in(event) == "loaded" for event in list(seen)))
    api.post("v1/models/a/unload").raise_for_status()
    api.delete("v1/models/a").raise_for_status()
    follower.join(20)
    assert not follower.is_alive()
    assert [model["id"] for model in seen[0]["models"]] == ["a", "b", "c"]
    states_seen = [event["model"]["state"] for event in seen if event["type"] == "model"]
    assert [
        s for s in states_seen if s in ("loading", "busy", "loaded", "unloading", "unloaded")
    ] == states_seen
    assert states_seen.index("loading") < states_seen.index("busy") < states_seen.index("loaded")
    assert states_seen[-1] == "unloaded"
    assert seen[-1] == {"type": "model_deleted", "id": "a"}


def test_copies_are_stored_once_and_removed_with_their_last_model(
    start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    blobs = server.home / "models" / "blobs"
    sha256 = hashlib.sha256(smollm2_path.read_bytes()).hexdigest()
    with server.api() as api:
        for name in ("one", "two"):
            body = {"name": name, "path": str(smollm2_path), "copy": True}
            made = api.post("v1/models", json=body)
            assert (made.status_code, made.json()["sha256"]) == (201, sha256)
        assert [path.name for path in blobs.iterdir()] == [f"sha256-{sha256}"]
        ask(api, "one", keep_alive=0)
        assert api.delete("v1/models/one").json()["freed_bytes"] == 0
        prompts = sum(path.stat().st_size for path in (server.home / "prompts").rglob("*.prompt"))
        size = smollm2_path.stat().st_size + prompts
        assert api.delete("v1/models/two").json()["freed_bytes"] == size
        assert list(blobs.iterdir()) == []
        (blobs / f"sha256-{'0' * 64}").write_bytes(b"left over")
        would = api.post("v1/models/gc", json={"dry_run": True}).json()
        assert would["freed_bytes"] == 9
        assert api.post("v1/models/gc", json={}).json()["freed_bytes"] == 9
        assert list(blobs.iterdir()) == []


def test_two_servers_share_a_home(start_server: Callable[..., Server], smollm2_path: Path) -> None:
    one = start_server(headless=True)
    two = start_server(headless=True, home=one.home)
    with one.api() as first, two.api() as second:
        body = {"name": "shared", "path": str(smollm2_path)}
        first.post("v1/models", json=body).raise_for_status()
        ask(second, "shared")
        second.delete("v1/models/shared").raise_for_status()
        assert first.get("v1/models").json()["data"] == []


def test_preload(start_server: Callable[..., Server], smollm2_path: Path) -> None:
    first = start_server(headless=True)
    with first.api() as api:
        body = {"name": "early", "path": str(smollm2_path)}
        api.post("v1/models", json=body).raise_for_status()
    options = ["--PowerApp.preload=early", "--PowerApp.preload=missing"]
    second = start_server(*options, headless=True, home=first.home)
    with second.api() as api:
        wait_until(lambda: api.get("v1/models/early").json()["state"] == "loaded")
    assert "could not preload missing" in second.log.read_text()
