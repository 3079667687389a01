"""Replicas of the Ray application that are killed leave a folder, which the next one removes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from a3s_power_jupyter.ray.power_server import _private_folder

REPLICA = """
import logging, sys, time
from a3s_power_jupyter.ray.power_server import PowerServer
options = ["--PowerApp.home=" + sys.argv[1]]
server = PowerServer(options, {"JUPYTER_TOKEN": "t"}, logging.getLogger(), print)
server.wait_until_ready("t")
print(server.socket, flush=True)
sys.stdin.read()
server.stop()
"""


@contextmanager
def replica(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a server as a replica does, and yield the process and its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", REPLICA, str(temporary / "home")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout is not None
        try:
            folder = Path(process.stdout.readline().strip()).parent
            assert folder.parent == temporary
            os.utime(folder, (0, 0))
            yield process, folder
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Ray Serve's replicas use Unix sockets")
def test_folders_of_killed_replicas_are_removed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("r")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with replica(temporary) as (running, folder):
        with replica(temporary) as (killed, left):
            killed.kill()
            killed.wait()
            assert left.is_dir()
            created = _private_folder()
            assert created.stat().st_mode & 0o777 == 0o700
            assert [left.exists(), folder.exists(), created.exists()] == [False, True, True]
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait() == 0
        assert not folder.exists()
