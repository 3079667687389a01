"""Run a Ray cluster with Ray Serve.

`make ray` installs Ray in ``build/ray``, an environment that also sees the packages of the tests.
Its commands and HTTP are used only; nothing imports it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
import psutil

from .paths import ROOT, TESTS
from .ports import free_ports

BIN = ROOT / "build" / "ray" / "bin"

#: The token of the clients of the application.
TOKEN = "token-of-the-cluster"

#: Seconds for a command, and for the end of the cluster.
COMMAND, END = 150, 60


@dataclass(frozen=True)
class RayCluster:
    """A running cluster.

    Attributes
    ----------
    process : subprocess.Popen
        It runs `cluster.py`.
    dashboard : str
        URL of Ray's dashboard, which has the API of Ray Serve.
    url : str
        URL at which the proxies of all nodes listen.
    folder : Path
        Ray's files. All processes of the cluster have its path in ``RAY_TMPDIR``.
    """

    process: subprocess.Popen[str]
    address: str
    dashboard: str
    url: str
    folder: Path
    environ: dict[str, str]

    def command(self, *argv: str) -> str:
        """Run a command of the environment, such as ``serve status``, and return its output."""
        done = subprocess.run(
            [BIN / argv[0], *argv[1:]],
            env=self.environ,
            cwd=TESTS / "ray",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def replicas(self, deployment: str) -> dict[int, str]:
        """Return the process ids of the running replicas, each with the id of its node."""
        reply = httpx2.get(f"{self.dashboard}/api/serve/applications/", timeout=60)
        found: dict[str, Any] = reply.raise_for_status().json()["applications"]["default"]
        messages = [each["message"] for each in found["deployments"].values()]
        assert found["status"] != "DEPLOY_FAILED", "\n".join([found["message"], *messages])
        replicas = found["deployments"].get(deployment, {"replicas": []})["replicas"]
        return {r["pid"]: r["node_id"] for r in replicas if r["state"] == "RUNNING"}

    def remove_node(self) -> str:
        """Kill the processes of the second node, and return its id."""
        stdin, stdout = pipes(self.process)
        stdin.write("remove\n")
        stdin.flush()
        removed: str = json.loads(stdout.readline())["removed"]
        return removed

    def processes(self) -> set[int]:
        """Return the ids of the processes of this cluster, as the operating system has them."""
        found = set()
        for process in psutil.process_iter():
            try:
                if process.environ().get("RAY_TMPDIR") == str(self.folder):
                    found.add(process.pid)
            except psutil.Error:
                continue
        return found


def pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@contextmanager
def run_cluster(*, nodes: int = 2, **variables: str) -> Iterator[RayCluster]:
    """Run a cluster with Ray Serve on free ports until the block ends.

    Parameters
    ----------
    nodes : int
        1 or 2.
    variables : str
        Environment variables of Ray's processes.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # Ray's Unix sockets need a short path
    environ = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "JUPYTER_TOKEN": TOKEN,
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
        **variables,
    }
    port, http_port = free_ports(2)
    with (folder / "cluster.log").open("w") as log:
        process = subprocess.Popen(
            [BIN / "python", TESTS / "ray/cluster.py", str(port), str(nodes)],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = pipes(process)[1].readline()
        assert line, (folder / "cluster.log").read_text()
        address = json.loads(line)["address"]
        environ |= {"RAY_ADDRESS": address, "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{port}"}
        cluster = RayCluster(
            process=process,
            address=address,
            dashboard=f"http://127.0.0.1:{port}",
            url=f"http://127.0.0.1:{http_port}/",
            folder=folder,
            environ=environ,
        )
        options = ("--http-host", "127.0.0.1", "--http-port", str(http_port))
        cluster.command("serve", "start", "--address", address, *options)
        yield cluster
    finally:
        pipes(process)[0].close()
        try:
            process.wait(END)
        finally:
            process.kill()
            process.wait()
            pipes(process)[1].close()
        shutil.rmtree(folder, ignore_errors=True)
