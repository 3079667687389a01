"""Conversations stay warm across unloads and restarts of the server, with a real model."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.servers import STOP_SECONDS, Server, remove_models, run_server
from support.waiting import wait_until

#: The system prompt, which is long enough that its tokens are worth keeping.
SYSTEM = "You answer in one short sentence. " + "Be kind, be brief and be precise. " * 12

OFF = "--PowerApp.prompt_cache_disk=0"

Messages = list[dict[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warm")


@pytest.fixture(scope="module")
def _server(folder: Path) -> Iterator[Server]:
    with run_server(folder, headless=True) as running:
        yield running


@pytest.fixture
def server(_server: Server, smollm2_path: Path) -> Iterator[Server]:
    """A server with the model m, and nothing saved."""
    register(_server, "m", smollm2_path)
    yield _server
    remove_models(_server)


def register(server: Server, name: str, path: Path, **parameters: Any) -> None:
    body = {"name": name, "path": str(path), "overwrite": True}
    body["default_parameters"] = {"num_ctx": 2048, **parameters}
    with server.api() as api:
        api.post("v1/models", json=body).raise_for_status()


def chat(server: Server, messages: Messages, model: str = "m", **more: Any) -> tuple[str, int]:
    """Return the answer, which is added to the messages, and the number of cached tokens."""
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 12, **more}
    with server.api() as api:
        reply = api.post("v1/chat/completions", json=body).raise_for_status().json()
    text: str = reply["choices"][0]["message"]["content"]
    messages += [{"role": "assistant", "content": text}]
    return text, reply["usage"]["prompt_tokens_details"]["cached_tokens"]


def say(server: Server, messages: Messages, text: str, **more: Any) -> tuple[str, int]:
    messages += [{"role": "user", "content": text}]
    return chat(server, messages, **more)


def two_turns(server: Server, first: str = "Name a color.", **more: Any) -> Messages:
    """Return the messages of a conversation that the server has just had."""
    messages = [{"role": "system", "content": SYSTEM}]
    say(server, messages, first, **more)
    assert say(server, messages, "Name another one.", **more)[1] > 0
    return messages


def third_turn(server: Server, messages: Messages, **more: Any) -> tuple[str, int]:
    return say(server, list(messages), "And one more.", **more)


def unload(server: Server, name: str = "m") -> None:
    with server.api() as api:
        api.post(f"v1/models/{name}/unload").raise_for_status()


def worker_of(server: Server) -> psutil.Process:
    children = psutil.Process(server.pid).children()
    [worker] = [c for c in children if "a3s_power_jupyter.engine.main" in c.cmdline()]
    return worker


def files_of(home: Path) -> list[Path]:
    return sorted(path for path in (home / "prompts").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def cold(folder: Path, smollm2_path: Path) -> tuple[Messages, str]:
    """Return a conversation of two turns, and the third turn's answer of a model without a cache.

    The server that gives it writes no prompt to disk.
    """
    with run_server(folder / "cold", OFF, headless=True) as server:
        register(server, "m", smollm2_path)
        messages = two_turns(server)
        unload(server)
        answer, cached = third_turn(server, messages)
        assert cached == 0
        unload(server)
        assert not (server.home / "prompts").exists()
    assert not (server.home / "prompts").exists()
    return messages, answer


def test_a_conversation_goes_on_after_an_unload(server: Server, cold: tuple[Messages, str]) -> None:
    messages = two_turns(server)
    assert messages == cold[0]
    assert files_of(server.home) == []
    unload(server)
    [file] = files_of(server.home)
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert {stat.S_IMODE(path.stat().st_mode) for path in file.parents[:3]} == {0o700}
    answer, cached = third_turn(server, messages)
    assert answer == cold[1]
    assert cached > 100
    unload(server)
    [longer] = files_of(server.home)
    assert longer.name != file.name


def test_a_conversation_goes_on_after_a_restart_which_is_never_slow(
    folder: Path, smollm2_path: Path, cold: tuple[Messages, str]
) -> None:
    home = folder / "restarted"
    with run_server(folder / "first", headless=True, home=home) as server:
        register(server, "m", smollm2_path)
        messages = two_turns(server)
    assert len(files_of(home)) == 1
    with run_server(folder / "second", headless=True, home=home) as server:
        answer, cached = third_turn(server, messages)
        assert (answer, cached > 100) == (cold[1], True)
        worker_of(server).suspend()  # it cannot save
        start = time.monotonic()
        server.process.terminate()
        server.process.wait(STOP_SECONDS)
        assert time.monotonic() - start < 10
    assert len(files_of(home)) == 1


def test_a_conversation_goes_on_after_an_eviction_and_a_reload(
    server: Server, smollm2_path: Path, cold: tuple[Messages, str]
) -> None:
    messages = two_turns(server)
    with server.api() as api:
        load = {"num_ctx": 1024}
        api.post("v1/models/m/load", json=load).raise_for_status()
        assert third_turn(server, messages)[1] == 0  # the states of other parameters do not fit
        api.post("v1/models/m/load", json={"num_ctx": 2048}).raise_for_status()
    answer, cached = third_turn(server, messages)
    assert (answer, cached > 100) == (cold[1], True)


def test_a_damaged_file_is_not_used_and_a_deleted_model_saves_nothing(
    server: Server, cold: tuple[Messages, str]
) -> None:
    messages = two_turns(server)
    unload(server)
    [file] = files_of(server.home)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert third_turn(server, messages) == (cold[1], 0)
    assert files_of(server.home) == []
    with server.api() as api:
        api.delete("v1/models/m").raise_for_status()
    assert files_of(server.home) == []


def test_files_go_with_the_model_and_with_garbage_collection(
    server: Server, smollm2_path: Path
) -> None:
    register(server, "n", smollm2_path)
    two_turns(server)
    unload(server)
    size = sum(file.stat().st_size for file in files_of(server.home))
    assert size > 0
    with server.api() as api:
        assert api.delete("v1/models/m").json()["freed_bytes"] == 0  # n has the same weights
        assert api.delete("v1/models/n").json()["freed_bytes"] == size
        assert files_of(server.home) == []
        folder = "0" * 64
        orphan = server.home / "prompts" / folder / "1" / "a.prompt"
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(b"12345")
        listed = api.post("v1/models/gc", json={"dry_run": True}).json()
        assert listed["removed"] == [{"kind": "prompts", "name": folder, "size": 5}]
        assert files_of(server.home) == [orphan]
        assert api.post("v1/models/gc").json()["freed_bytes"] == 5
    assert files_of(server.home) == []


def test_a_worker_that_is_killed_saves_nothing(server: Server) -> None:
    two_turns(server)
    worker_of(server).kill()
    with server.api() as api:
        wait_until(lambda: api.get("v1/models/m").json()["state"] == "failed")
    assert files_of(server.home) == []


def test_two_servers_on_one_home(
    server: Server, folder: Path, smollm2_path: Path, cold: tuple[Messages, str]
) -> None:
    with run_server(folder / "other", headless=True, home=server.home) as other:
        messages = two_turns(server)
        two_turns(other, "Name a fruit.")
        unload(server)
        unload(other)
        assert len(files_of(server.home)) == 2
        for one in (server, other):
            answer, cached = third_turn(one, messages)
            assert (answer, cached > 100) == (cold[1], True)
        unload(server)  # which replaces the file that the other one has read
        unload(other)
        assert len(files_of(server.home)) == 2
        for file in files_of(server.home):
            file.unlink()
        assert third_turn(other, messages)[0] == cold[1]
