"""Test ``jupyter power fsck``, and what it finds after processes were killed at random points."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.convert.protocol import Convert
from a3s_power_jupyter.fsck.check import check_store, repair
from a3s_power_jupyter.ipc.child import python_module
from a3s_power_jupyter.ipc.framing import encode
from a3s_power_jupyter.server.fsck import FsckApp
from a3s_power_jupyter.store import ModelStore
from support.hub_fetching import MIB, REPO, Puller, pulling, random_bytes
from support.hub_server import HubServer, run_hub
from support.model_files import gguf
from support.privileges import without_privileges
from support.registering import register
from support.tiny_models import byte_level, make

#: How many processes are killed.
KILLS = int(os.environ.get("FSCK_KILLS", "14"))

PREAMBLE = """
import sys
from pathlib import Path
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import PullStatus, RegisterRequest
from a3s_power_jupyter.hub.states import PullState, StateSaver, PullStates
from a3s_power_jupyter.store import ModelStore
import logging

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
store = ModelStore(home)

def register(name, file, copy):
    request = RegisterRequest(name=name, path=str(folder / file), copy=copy, overwrite=True)
    return store.register(request, DefaultParameters())
"""

#: Loops that are killed somewhere. Those that only wait for a process itself are below.
LOOPS = {
    "register with copy": 'while True: register("copy", "big.gguf", True); store.delete("copy")',
    "register over another": """
        while True:
            register("changing", "small.gguf", True)
            register("changing", "big.gguf", True)
        """,
    "delete": """
        while True:
            register("gone", "small.gguf", True)
            register("also-gone", "small.gguf", True)
            store.delete("gone")
            store.delete("also-gone")
        """,
    "garbage": """
        while True:
            (home / "models/blobs" / ("sha256-" + "9" * 64)).write_bytes(b"orphan")
            store.collect_garbage(dry_run=False)
        """,
    "states of a pull": """
        status = PullStatus("a/pull", "pulling", started_at=1.0)
        while True:
            saver = StateSaver(PullStates(home, logging.getLogger()), "a/pull")
            for i in range(5):
                saver.save(PullState(status), last=False)
            saver.save(PullState(status.ended("cancelled")), last=True)
        """,
}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process."""

    def run(home: Path | None, *options: str) -> tuple[int, str, str]:
        app = FsckApp()
        app.initialize([*(() if home is None else (f"--home={home}",)), *options])
        with pytest.raises(SystemExit) as exit_info:
            app.start()
        captured = capsys.readouterr()
        assert isinstance(exit_info.value.code, int)
        return exit_info.value.code, captured.out, captured.err

    return run


def test_jupyter_power_has_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "a3s_power_jupyter.server.extension", "fsck"]
    (tmp_path / "home/models").mkdir(parents=True)
    done = subprocess.run(
        [*command, f"--home={tmp_path}/home"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/home: nothing to repair.\n"


def test_a_home_that_does_not_exist(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "none"
    monkeypatch.setenv("A3S_POWER_HOME", str(home))
    for result in (run(home), run(home, "--repair", "--json"), run(None)):
        code, text, error = result
        assert (code, text) == (2, "")
        assert f"{home} does not exist" in error
    assert not home.exists()


def test_a_folder_that_is_no_store(tmp_path: Path, run: Run) -> None:
    for options in ((), ("--repair",), ("--contents", "--json")):
        code, text, error = run(tmp_path, *options)
        assert (code, text) == (2, "")
        assert f"{tmp_path} has no folder models" in error
    assert [*tmp_path.iterdir()] == []


def test_an_empty_home_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    code, text, error = run(None, "--home=")
    assert (code, text) == (2, "")
    assert "--home is empty" in error


def test_arguments_without_an_option_are_refused(tmp_path: Path, run: Run) -> None:
    code, text, error = run(tmp_path, "extra", "more")
    assert (code, text) == (2, "")
    assert "takes no arguments" in error
    assert "'extra' 'more'" in error


def test_a_store_that_may_only_be_read(run: Run) -> None:
    # Not in tmp_path: other users cannot enter its parent directories.
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        (home / "models").mkdir()
        with without_privileges():
            assert run(home)[0] == 0
            code, text, error = run(home, "--repair")
        assert (code, text) == (2, "")
        assert "cannot be written" in error


def test_the_command(tmp_path: Path, run: Run) -> None:
    (tmp_path / "model.gguf").write_bytes(gguf())
    home = tmp_path / "home"
    store = ModelStore(home)
    register(store, "a", tmp_path / "model.gguf", copy=True)
    assert run(home) == (0, f"{home}: nothing to repair.\n", "")

    register(store, "b", tmp_path / "model.gguf", copy=True)
    [blob] = store.resolve(store.get("a"))
    size = blob.stat().st_size
    blob.write_bytes(bytes(reversed(blob.read_bytes())))
    (home / "models/blobs/tmp-1").write_bytes(b"torn")
    code, text, _ = run(home, "--contents")
    assert code == 1
    assert f"problem: models/blobs/{blob.name}\n  a, b: the content of model.gguf" in text
    assert "A repair would remove it.\n" in text
    assert f"would mend 1, free {size + 4:,} bytes, and leave 1 to do.\n" in text

    code, text, _ = run(home, "--contents", "--repair")
    assert code == 1  # the model has to be registered again
    assert "  It was removed.\n  After the repair, register 'a' again (%power register a " in text
    assert f"problems: 1, leftovers: 1. Freed {size + 4:,} bytes; left to do: 1.\n" in text
    code, text, _ = run(home)
    assert code == 1
    assert "leave 1 to do" in text
    assert f"Register 'a' again (%power register a {tmp_path}/model.gguf --copy)." in text
    register(store, "a", tmp_path / "model.gguf", copy=True)

    (home / "models/blobs/tmp-1").write_bytes(b"torn")
    code, text, _ = run(home, "--repair", "--json")
    assert code == 0
    assert json.loads(text) == [
        {
            "kind": "leftover",
            "path": "models/blobs/tmp-1",
            "reason": "A process ended while it was writing this file.",
            "advice": "",
            "repair": "remove it",
            "size": 4,
            "repaired": True,
            "error": "",
            "left_to_do": False,
        }
    ]

    (home / "lock").unlink()
    (home / "lock").mkdir()
    code, text, _ = run(home)
    assert code == 1
    assert "problem: lock\n" in text


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with run_hub() as server:
        yield server


def test_after_kills_at_random_points(tmp_path: Path, hub: HubServer, smollm2_path: Path) -> None:
    home = tmp_path / "home"
    store = ModelStore(home)
    (tmp_path / "small.gguf").write_bytes(gguf())
    (tmp_path / "big.gguf").write_bytes(gguf(fill=b"\1"))
    os.truncate(tmp_path / "big.gguf", 24 << 20)
    kept = {
        name: register(store, name, tmp_path / file, copy=copy)[0]
        for name, file, copy in (
            ("kept", "small.gguf", True),
            ("kept-big", "big.gguf", True),
            ("in-place", "big.gguf", False),
        )
    }
    source = make(tmp_path / "llama", "LlamaConfig", byte_level("some words to convert"))
    register(store, "llama", source)
    large = tmp_path / "pulled.Q4_1.gguf"
    large.write_bytes(smollm2_path.read_bytes() + random_bytes(8 * MIB))
    hub.add(REPO, {large.name: large})
    hub.fail(large.name, rate=8e6, times=None)

    chance = random.Random(16)  # noqa: S311
    starts = {name: loop(home, tmp_path, code) for name, code in LOOPS.items()}
    starts |= {"pull": lambda: Puller(hub, home, f"{REPO}:q4_1").process}
    starts |= {"conversion": lambda: convert(store)}
    for turn in range(KILLS):
        what = [*starts][turn % len(starts)]
        process = starts[what]()
        time.sleep(0.25 + chance.uniform(0, 1.0 if what != "conversion" else 4.0))
        process.kill()
        process.communicate()
        findings = check_store(store, contents=True)
        assert [outcome.error for outcome in repair(findings).values() if outcome.error] == []
        left = [finding for finding in check_store(store, contents=True) if finding.kind != "note"]
        assert left == [], f"after the {turn}th kill, during {what}"
        assert {name: store.get(name) for name in kept} == kept
        for manifest in store.list():
            for path in store.resolve(manifest):
                assert path.exists()
    with pulling(hub, home, f"{REPO}:q4_1") as puller:
        assert [*puller.statuses][-1].status == "done"
    [blob] = store.resolve(store.get(f"{REPO}:q4_1"))
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == digest


def loop(home: Path, folder: Path, code: str) -> Callable[[], subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), str(home), str(folder)]
    return lambda: subprocess.Popen(command, stdin=subprocess.DEVNULL)


def convert(store: ModelStore) -> subprocess.Popen[bytes]:
    """Start the process that converts a model, as the server does."""
    for record in store.conversions.directory.glob("*.json"):
        record.unlink()  # so that it converts again
    process = subprocess.Popen(
        python_module("a3s_power_jupyter.convert.main"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    manifest = store.get("llama")
    paths = tuple(str(path) for path in store.resolve(manifest))
    assert process.stdin is not None
    process.stdin.write(encode(Convert(str(store.home), manifest, paths, "Q8_0")))
    process.stdin.flush()
    return process
