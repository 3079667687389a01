"""Real servers whose home cannot be used, from the start or while a model is in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.model_files import gguf
from support.servers import Server, events_of, run_server
from support.volume import needs_mount, set_read_only, volume
from support.waiting import wait_until

#: Codes of a home that cannot be used, and of a disk that is full.
UNUSABLE, FULL = "store_unavailable", "insufficient_disk"

NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}


def codes(api: httpx2.Client, model: Path) -> dict[str, str]:
    """Return the error codes of all requests that use the home, or "" for success."""
    register: dict[str, Any] = {"name": "new", "path": str(model), "overwrite": True}
    replies = {
        "list": api.get("v1/models"),
        "show": api.get("v1/models/small"),
        "register": api.post("v1/models", json=register),
        "copy": api.post("v1/models", json=register | {"copy": True}),
        "load": api.post("v1/models/small/load", json={}),
        "delete": api.delete("v1/models/small"),
        "gc": api.post("v1/models/gc", json={}),
        "pulls": api.get("v1/models/pull"),
        "pull": api.post("v1/models/pull", json={"name": "owner/repo", "background": True}),
        "status": api.get("v1/models/pull/owner/other/status"),
        "health": api.get("v1/health"),
    }
    with api.stream("GET", "v1/events") as feed:
        assert next(events_of(feed))["type"] == "snapshot"
    return {
        name: "" if reply.is_success else reply.json()["error"]["code"]
        for name, reply in replies.items()
    }


def check_no_failure(server: Server) -> None:
    """Check that no request failed in an unexpected way."""
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "Uncaught" not in log


def a_file(home: Path) -> None:
    home.write_text("in the way")


def a_link_to_nothing(home: Path) -> None:
    home.symlink_to("nowhere")


def below_a_file(home: Path) -> None:
    home.parent.write_text("in the way")


def models_is_a_file(home: Path) -> None:
    home.mkdir()
    (home / "models").write_text("in the way")


@pytest.mark.parametrize(
    ("break_", "what"),
    [
        (a_file, "home is a file"),
        (a_link_to_nothing, "home is a link to nowhere"),
        (below_a_file, "below is a file"),
        (models_is_a_file, "models is a file"),
    ],
)
def test_a_home_that_cannot_be_used_from_the_start(
    tmp_path: Path, break_: Callable[[Path], None], what: str
) -> None:
    home = tmp_path / ("below/home" if break_ is below_a_file else "home")
    break_(home)
    model = tmp_path / "model.gguf"
    model.write_bytes(gguf())
    with (
        run_server(tmp_path, headless=True, home=home, environ=NO_HUB) as server,
        server.api() as api,
    ):
        assert server.log.read_text().count(what) == 1
        found = codes(api, model)
        pulls = {"pulls", "pull", "status"} if break_ is models_is_a_file else set()
        usable = {name: code for name, code in found.items() if name in pulls | {"health"}}
        assert found == dict.fromkeys(found, UNUSABLE) | usable
        assert found["health"] == ""
        assert any(what in hint for hint in api.get("v1/health").json()["hints"])
        assert what in api.get("v1/models").json()["error"]["message"]
        check_no_failure(server)


def test_an_idle_server_without_a_usable_home_exits(tmp_path: Path) -> None:
    home = tmp_path / "home"
    a_file(home)
    with run_server(tmp_path, "--PowerApp.idle_exit=1", headless=True, home=home) as server:
        assert wait_until(lambda: server.process.poll() is not None)
        check_no_failure(server)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    path.write_bytes(gguf())
    return path


@pytest.fixture
def server(tmp_path: Path, smollm2_path: Path, small: Path) -> Iterator[Server]:
    """A server with its home on a volume, the models `a` and `b` in memory, and `small`."""
    with (
        volume(tmp_path / "volume", "1m") as disk,
        run_server(tmp_path, headless=True, home=disk / "home", environ=NO_HUB) as running,
    ):
        with running.api() as api:
            for name, path in [("a", smollm2_path), ("b", smollm2_path), ("small", small)]:
                body = {"name": name, "path": str(path), "default_parameters": {"num_ctx": 256}}
                api.post("v1/models", json=body).raise_for_status()
            for name in ("a", "b"):
                load(api, name)
        yield running


def load(api: httpx2.Client, name: str) -> None:
    api.post(f"v1/models/{name}/load", json={"keep_alive": -1}).raise_for_status()


def check_models_in_memory(api: httpx2.Client, names: str) -> None:
    """Check that the models are listed, that `a` can be used, and that `b` can be unloaded."""
    listing = api.get("v1/models").json()
    assert {*names} <= {model["id"] for model in listing["data"]}
    if "small" not in [model["id"] for model in listing["data"]]:
        assert str(Path("models/manifests")) in listing["problems"][0]["file"]
    body = {"model": "a", "prompt": "Once upon a", "max_tokens": 2}
    api.post("v1/completions", json=body).raise_for_status()
    api.post("v1/models/a/pin").raise_for_status()
    if "b" in names:
        api.post("v1/models/b/unload").raise_for_status()


@needs_mount
def test_a_home_that_breaks_while_models_are_in_memory(server: Server, small: Path) -> None:
    home = server.home
    moved = home.parent / "moved"
    with server.api() as api:
        # The manifests, the models or the whole home are replaced by a file or a dead link.
        for path in (home / "models" / "manifests", home / "models", home):
            path.rename(moved)
            for break_, names in [(a_file, "ab"), (a_link_to_nothing, "a")]:
                break_(path)
                check_models_in_memory(api, names)
                found = codes(api, small)
                assert set(found.values()) <= {UNUSABLE, FULL, "pull_state_not_found", ""}
                for name in ("show", "register", "load", "delete", "gc"):
                    assert found[name] == UNUSABLE, (name, path, found)
                path.unlink()
            moved.rename(path)
            wait_until(lambda: api.get("v1/models/small").status_code == 200)
            load(api, "b")
        # Deleting a model fails while the store cannot be written, but it is unloaded.
        set_read_only(home.parent, True)
        check_models_in_memory(api, "ab")
        load(api, "b")
        found = codes(api, small)
        assert {name for name, code in found.items() if code == UNUSABLE} >= {
            "register", "copy", "delete", "gc",
        }  # fmt: skip
        assert set(found.values()) <= {UNUSABLE, "", "model_load_failed", "pull_state_not_found"}
        assert "read-only" in api.delete("v1/models/b").json()["error"]["message"]
        assert api.get("v1/models/b").json()["state"] == "unloaded"
        set_read_only(home.parent, False)
        assert api.delete("v1/models/b").status_code == 200
        check_no_failure(server)


@needs_mount
def test_a_full_disk(server: Server, small: Path) -> None:
    filler = server.home.parent / "filler"
    with server.api() as api:
        with suppress(OSError), filler.open("wb", 0) as file:
            while file.write(bytes(1024)):
                pass
        check_models_in_memory(api, "ab")
        found = codes(api, small)
        assert found["register"] == found["copy"] == FULL
        assert set(found.values()) <= {FULL, "", "model_load_failed", "pull_state_not_found"}
        status = "v1/models/pull/owner/repo/status"
        wait_until(lambda: api.get(status).json()["status"] == "failed")
        filler.unlink()
        register = {"name": "new", "path": str(small)}
        assert api.post("v1/models", json=register).status_code == 201
        assert api.delete("v1/models/b").status_code == 200
        check_no_failure(server)


@needs_mount
def test_a_home_that_vanishes(server: Server, small: Path) -> None:
    with server.api() as api:
        shutil.rmtree(server.home)
        assert api.delete("v1/models/a").status_code == 200
        wait_until(lambda: api.get("v1/models").json()["data"] == [])
        found = codes(api, small)
        # A copy leaves 256 MB free, which the volume does not have.
        assert set(found.values()) <= {"", FULL, "model_not_found", "pull_state_not_found"}
        check_no_failure(server)
