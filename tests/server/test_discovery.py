"""Test how a client finds its server, with real files and processes and a stub server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.client import connect
from a3s_power_jupyter.client.discovery import find_server, server_at
from a3s_power_jupyter.contract.errors import InvalidParameter, ServerNotFound
from a3s_power_jupyter.contract.machine import machine_id
from a3s_power_jupyter.contract.runtime_info import runtime_file
from support.ports import free_port
from support.stub_server import StubServer, health

pytestmark = pytest.mark.skipif(os.name != "posix", reason="checks owners and modes of files")


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("A3S_POWER_URL", "A3S_POWER_TOKEN", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process in place of a server's, which is not an ancestor of this one."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.terminate()


def write(runtime_dir: Path, pid: int, url: str, key: str = "k", **more: object) -> Path:
    path = runtime_file(runtime_dir, pid)
    path.touch(mode=0o600)
    info = {"pid": pid, "hostname": socket.gethostname(), "url": url, "key": key}
    path.write_text(json.dumps({**info, "version": "0", "headless": False, **more}))
    return path


@pytest.mark.parametrize(
    ("given", "url", "key"),
    [
        ("http://localhost:8888", "http://localhost:8888/", None),
        ("http://localhost:8888/v1/", "http://localhost:8888/", None),
        ("https://hub.example/user/ada?token=t", "https://hub.example/user/ada/", "t"),
    ],
)
def test_forms_of_a_url(given: str, url: str, key: str | None) -> None:
    server = server_at(given, None, "given")
    assert (server.url, server.key) == (url, key)


def test_the_token_argument_takes_precedence() -> None:
    assert server_at("http://h?token=a", "b", "given").key == "b"


@pytest.mark.parametrize("given", ["localhost:8888?token=secret", "ftp://x", "", "http://"])
def test_an_invalid_url_is_rejected_without_showing_its_token(given: str) -> None:
    with pytest.raises(InvalidParameter, match="is not a server URL") as raised:
        connect(given)
    assert "secret" not in raised.value.message


def test_a_given_url_is_used(runtime_dir: Path) -> None:
    with StubServer(health("t")) as server, connect(server.url, "t") as client:
        assert client.health().status == "ok"
        assert client.server.found == "the given URL"


def test_the_environment_variable_takes_precedence(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(runtime_dir, os.getppid(), "http://127.0.0.1:1/")
    with StubServer(health("t")) as server:
        monkeypatch.setenv("A3S_POWER_URL", server.url)
        monkeypatch.setenv("A3S_POWER_TOKEN", "t")
        with connect(start=False) as client:
            assert client.health().status == "ok"
            assert client.server.found == "set by A3S_POWER_URL"


def test_the_server_that_started_this_process(
    runtime_dir: Path, process: subprocess.Popen[bytes]
) -> None:
    with StubServer(health("k")) as own, StubServer(health("k")) as other:
        write(runtime_dir, os.getppid(), own.url)
        write(runtime_dir, process.pid, other.url)
        server = find_server(start=False)
    assert server.url == own.url
    assert server.found == "the server that started this kernel"


def test_the_file_of_a_former_process_with_the_id_of_an_ancestor_is_skipped(
    runtime_dir: Path, process: subprocess.Popen[bytes]
) -> None:
    write(runtime_dir, os.getppid(), f"http://127.0.0.1:{free_port()}/")
    with StubServer(health("k")) as running:
        write(runtime_dir, process.pid, running.url)
        assert find_server(start=False).url == running.url


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_on_this_machine_is_requested_without_a_proxy(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, host: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
        monkeypatch.setenv(name.lower(), proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with StubServer(health("k"), host=host) as server:
        url = server.url + "user/ada/"
        write(runtime_dir, os.getppid(), url)
        assert find_server(start=False).url == url
        with connect(url, "k") as client:
            assert client.health().status == "ok"


def test_jpy_parent_pid_takes_precedence_over_ancestors(
    runtime_dir: Path, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with StubServer(health("k")) as of_ancestor, StubServer(health("k")) as of_parent:
        write(runtime_dir, os.getppid(), of_ancestor.url)
        write(runtime_dir, process.pid, of_parent.url)
        monkeypatch.setenv("JPY_PARENT_PID", str(process.pid))
        assert find_server(start=False).url == of_parent.url


def test_a_jpy_parent_pid_that_is_not_running_is_skipped(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = _stopped_pid()
    monkeypatch.setenv("JPY_PARENT_PID", str(stopped))
    with StubServer(health("k")) as own, StubServer(health("k")) as other:
        write(runtime_dir, os.getppid(), own.url)
        write(runtime_dir, stopped, other.url)
        assert find_server(start=False).url == own.url


def test_the_newest_server_that_responds(runtime_dir: Path) -> None:
    with ExitStack() as stack:
        pids = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            )
            for _ in range(4)
        ]
        old, new, wrong_key = (
            stack.enter_context(StubServer(health(k))) for k in ("k", "k", "other")
        )
        addresses = (old.url, new.url, wrong_key.url, f"http://127.0.0.1:{free_port()}/")
        for age, (process, url) in enumerate(zip(pids, addresses, strict=True)):
            os.utime(write(runtime_dir, process.pid, url), (1000 + age, 1000 + age))
        os.utime(write(runtime_dir, _stopped_pid(), old.url), (2000, 2000))
        server = find_server(start=False)
        for process in pids:
            process.terminate()
    assert server.url == new.url
    assert server.found == "a running server of yours"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o622])
def test_a_file_accessible_to_other_users_is_rejected(runtime_dir: Path, mode: int) -> None:
    path = write(runtime_dir, os.getppid(), "http://127.0.0.1:1/")
    path.chmod(mode)
    with pytest.raises(ServerNotFound, match="other users can read or write it"):
        find_server(start=False)


@pytest.mark.skipif(
    os.name != "posix" or os.getuid() != 0, reason="only root can change the owner of a file"
)
def test_a_file_of_another_user_is_rejected(runtime_dir: Path) -> None:
    os.chown(write(runtime_dir, os.getppid(), "http://127.0.0.1:1/"), 12345, -1)
    with pytest.raises(ServerNotFound, match="belongs to another user"):
        find_server(start=False)


def test_a_link_is_rejected(runtime_dir: Path) -> None:
    target = write(runtime_dir, 1, "http://127.0.0.1:1/").rename(runtime_dir / "elsewhere")
    runtime_file(runtime_dir, os.getppid()).symlink_to(target)
    with pytest.raises(ServerNotFound, match="was ignored"):
        find_server(start=False)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"url": 7}'])
def test_a_file_with_other_content_is_rejected(runtime_dir: Path, content: str) -> None:
    write(runtime_dir, os.getppid(), "").write_text(content)
    with pytest.raises(ServerNotFound, match="not a runtime file"):
        find_server(start=False)


def test_a_server_on_another_machine_is_rejected(runtime_dir: Path) -> None:
    write(runtime_dir, os.getppid(), "http://127.0.0.1:1/", hostname="elsewhere")
    with pytest.raises(ServerNotFound, match="runs on elsewhere"):
        find_server(start=False)
    write(runtime_dir, os.getppid(), "http://127.0.0.1:1/", hostname="elsewhere", machine="x")
    with pytest.raises(ServerNotFound, match="runs on elsewhere"):
        find_server(start=False)


def test_a_server_is_found_after_a_change_of_the_host_name(runtime_dir: Path) -> None:
    with StubServer(health("k")) as server:
        write(runtime_dir, os.getppid(), server.url, hostname="before", machine=machine_id())
        assert find_server(start=False).url == server.url


def test_without_a_server_the_error_lists_what_was_tried(runtime_dir: Path) -> None:
    write(runtime_dir, _stopped_pid(), "http://127.0.0.1:1/", key="secret")
    with pytest.raises(ServerNotFound) as raised:
        connect(start=False)
    message = raised.value.message
    for words in ("A3S_POWER_URL is not set", "has stopped", "`jupyter power`", "connect(url"):
        assert words in message
    assert "secret" not in message


def test_the_error_includes_the_log_of_a_headless_server_that_fails_to_start(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A3S_POWER_MAX_MODELS", "many")
    with pytest.raises(ServerNotFound, match=r"(?s)exited with status.*A3S_POWER_MAX_MODELS"):
        connect()
    assert (runtime_dir / "a3s-power-headless.log").stat().st_mode & 0o077 == 0


def _stopped_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert not psutil.pid_exists(child.pid)
    return child.pid
