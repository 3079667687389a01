"""Several processes on one home, and processes that are killed during a write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.store import ModelStore
from support.model_files import LLAMA, gguf

PREAMBLE = """
import sys
from pathlib import Path
from a3s_power_jupyter.errors import ModelNotFound
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.contract.types import RegisterRequest

home, folder, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
store = ModelStore(home)

def register(name, path, copy):
    request = RegisterRequest(name=name, path=str(path), copy=copy, overwrite=True)
    return store.register(request, DefaultParameters())[0]
"""


def start(home: Path, folder: Path, number: int, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), home, folder, str(number)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_do_not_corrupt_the_store(tmp_path: Path) -> None:
    for length in (128, 256):
        (tmp_path / f"{length}.gguf").write_bytes(gguf(LLAMA | {"llama.context_length": length}))
    code = """
        for turn in range(25):
            path = folder / ("128.gguf" if (turn + number) % 2 else "256.gguf")
            register("shared", path, True)
            register(f"own/{number}", path, True)
            register(f"own:{number}", path, False)
            store.list()
            try:
                store.delete("shared")
            except ModelNotFound:
                pass
            assert not store.problems()
            store.resolve(store.get(f"own/{number}"))
            store.collect_garbage(False)
    """
    processes = [start(tmp_path / "home", tmp_path, number, code) for number in range(3)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    store = ModelStore(tmp_path / "home")
    assert store.problems() == []
    assert len(store.list()) >= 6
    for manifest in store.list():
        for path in store.resolve(manifest):
            assert path.read_bytes().startswith(b"GGUF")
    assert store.collect_garbage(dry_run=True) == []


def test_a_process_killed_during_a_copy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    os.truncate(path, 2 << 30)  # sparse, and large enough to be killed during the copy
    process = start(home, tmp_path, 0, 'register("a", folder / "model.gguf", True)')
    assert process.stdout is not None
    store = ModelStore(home)
    try:
        torn = wait_for_temporary(home)
        assert store.collect_garbage(dry_run=True) == []  # it has a writer
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert store.list() == []
    [removed] = store.collect_garbage(dry_run=False)
    assert (removed.kind, removed.name) == ("temporary", torn.name)
    assert list((home / "models" / "blobs").iterdir()) == []


def wait_for_temporary(home: Path) -> Path:
    """Return the temporary file of a copy that has started."""
    for _ in range(3000):
        for path in (home / "models" / "blobs").glob("tmp-*"):
            if path.stat().st_size:
                return path
        time.sleep(0.01)
    raise AssertionError("the copy did not start")


def test_a_process_killed_while_it_holds_the_lock(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(gguf())
    process = start(
        tmp_path / "home",
        tmp_path,
        0,
        """
        with store.locked():
            print("held", flush=True)
            sys.stdin.read()
        """,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    request = RegisterRequest(name="a", path=str(tmp_path / "model.gguf"), copy=True)
    ModelStore(tmp_path / "home").register(request, DefaultParameters())
