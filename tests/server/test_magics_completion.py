"""Test tab completion in a real shell with names from a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import a3s_power_jupyter
from a3s_power_jupyter.magics.completion import Completion
from support.servers import Server
from support.stub_server import StubServer

NAMES = ("tab-llama3.2:3b", "tab-owner/repo:Q4_K_M", "tab-owner/repo@v1+x")


@pytest.fixture(scope="module")
def names(server: Server) -> Iterator[tuple[str, ...]]:
    with server.api() as api:
        for name in NAMES:
            upstream = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
            body = {"name": name, "format": "remote", "upstream": upstream}
            reply = api.post("v1/models", json=body)
            assert reply.status_code == 201, reply.text
        yield NAMES
        for name in NAMES:
            assert api.delete(f"v1/models/{name}").status_code == 200


@pytest.fixture
def shell(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> InteractiveShell:
    monkeypatch.setenv("A3S_POWER_URL", server.url)
    monkeypatch.setenv("A3S_POWER_TOKEN", server.token)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    a3s_power_jupyter.load_ipython_extension(shell)
    return shell


def tab(shell: InteractiveShell, line: str) -> list[str]:
    """Return `line` with each of its completions applied."""
    with provisionalcompleter():
        completions = list(shell.Completer.completions(line, len(line)))
    return [line[: c.start] + c.text + line[c.end :] for c in completions]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("%power unl", ["%power unload"]),
        ("%power pi", ["%power pin"]),
        ("x = %power li", ["x = %power list"]),
        ("%power help unp", ["%power help unpin"]),
        ("%power rm --fo", ["%power rm --force"]),
        ("%power load m --keep", ["%power load m --keep-alive"]),
        ("%power register a b --format safe", ["%power register a b --format safetensors"]),
        ("%%power m --max-t", ["%%power m --max-tokens"]),
        ("%%power --cont", ["%%power --continue"]),
        ("%power gc --", ["%power gc --delete", "%power gc --help"]),
    ],
)
def test_commands_and_options(shell: InteractiveShell, line: str, completed: list[str]) -> None:
    assert sorted(tab(shell, line)) == completed


def test_all_commands(shell: InteractiveShell) -> None:
    commands = {line.removeprefix("%power ") for line in tab(shell, "%power ")}
    assert {"help", "register", "list", "doctor", "gc"} <= commands
    assert all(command.isalpha() for command in commands)


@pytest.mark.parametrize("command", ["show", "rm", "load", "unload", "pin", "unpin", "use"])
def test_model_names_after_commands(
    shell: InteractiveShell, names: tuple[str, ...], command: str
) -> None:
    assert set(names) <= {t.split()[-1] for t in tab(shell, f"%power {command} ")}
    for typed, whole in (("tab-l", 0), ("tab-llama3.2:", 0), ("tab-owner/repo:Q", 1)):
        line = f"%power {command} {typed}"
        assert tab(shell, line) == [f"%power {command} {names[whole]}"]
    assert tab(shell, f"%power {command} tab-owner/repo@") == [f"%power {command} {names[2]}"]


def test_model_names_after_the_cell_magic(shell: InteractiveShell, names: tuple[str, ...]) -> None:
    assert tab(shell, "%%power tab-ll") == [f"%%power {names[0]}"]
    assert tab(shell, "%%power --raw tab-ll") == [f"%%power --raw {names[0]}"]
    assert tab(shell, "%%power --temperature 0 tab-ll") == [f"%%power --temperature 0 {names[0]}"]


@pytest.mark.parametrize(
    "line", ["%power load tab-llama3.2:3b ", "%power nothing ", "%power list x", "power load tab-l"]
)
def test_names_are_completed_only_where_they_are_expected(
    shell: InteractiveShell, names: tuple[str, ...], line: str
) -> None:
    assert not [text for text in tab(shell, line) if text.endswith(names)]


def test_paths_are_completed_by_ipython(
    shell: InteractiveShell, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.gguf").touch()
    monkeypatch.chdir(tmp_path)
    assert tab(shell, "%power register w weig") == ["%power register w weights.gguf"]


def test_other_lines_are_completed_by_ipython(shell: InteractiveShell) -> None:
    shell.user_ns["powerful"] = 1
    assert "powerful" in tab(shell, "powerf")
    assert "%power" in tab(shell, "%powe")


def test_tab_waits_for_a_slow_server_only_briefly(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    with StubServer(lambda _request: released.wait(60)) as server:
        monkeypatch.setenv("A3S_POWER_URL", server.url)
        assert tab(shell, "%power load tab-ll") == []
        assert not released.is_set()  # the server has not answered yet
        released.set()


def test_tab_prints_nothing_when_the_server_is_gone(
    shell: InteractiveShell,
    names: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert tab(shell, "%power load tab-ll") == [f"%power load {names[0]}"]
    monkeypatch.setenv("A3S_POWER_URL", "http://127.0.0.1:9/")
    monkeypatch.setattr(Completion, "MAX_AGE", 0.0)
    assert tab(shell, "%power load tab-ll") == []
    out, err = capfd.readouterr()
    assert out + err == ""
