"""Run the servers that the benchmarks compare: ours, llama.cpp's, and llama-cpp-python's.

llama.cpp's own server comes from the package `xllamacpp`, or is the program ``llama-server``. The
extra `bench` installs both of the other servers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.ports import free_port
from support.servers import Server, run_server

#: Seconds until a server must answer.
START_SECONDS = 120

#: Sets attributes of `CommonParams` from a JSON object and serves the model.
_XLLAMACPP = """
import json, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
values = {"hostnames": ["127.0.0.1"], "port": 0, "verbosity": 0} | json.loads(sys.argv[2])
for name, value in values.items():
    setattr(params, name, value)
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def machine() -> str:
    """Describe the machine and its load, to be printed with results."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"{psutil.cpu_count(logical=False)} cores, load {load:.1f}"


@dataclass(frozen=True)
class Target:
    """A model on a server.

    Attributes
    ----------
    url : str
        Address of the server, with a trailing slash.
    model : str
        Name of the model in requests.
    pid : int
        The server's process. Its children belong to the server too.
    also : tuple of int
        Further processes that work for it, such as the upstream of a remote model.
    """

    url: str
    headers: dict[str, str]
    model: str
    pid: int
    also: tuple[int, ...] = ()

    def client(self) -> httpx2.AsyncClient:
        # llama.cpp's server closes idle connections, also one that is just used again.
        return httpx2.AsyncClient(
            base_url=self.url,
            headers=self.headers,
            timeout=600,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def cpu_seconds(self) -> float:
        """Return the CPU time that the running processes of the server have used."""
        seconds = 0.0
        for pid in (self.pid, *self.also):
            for process in with_children(pid):
                with suppress(psutil.NoSuchProcess):  # it has ended
                    times = process.cpu_times()
                    seconds += times.user + times.system
        return seconds


def with_children(pid: int) -> list[psutil.Process]:
    """Return a process and its children, and theirs."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


@contextmanager
def our_server(*argv: str) -> Iterator[Server]:
    """Run our server, with command-line options."""
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(Path(folder), *argv, headless=True) as server,
    ):
        yield server


def register(server: Server, name: str, model: Path, **parameters: Any) -> Target:
    """Register a model under `name` with these default parameters, and load it."""
    body: dict[str, Any] = {"name": name, "path": str(model)}
    if parameters:
        body["default_parameters"] = parameters
    with server.api() as api:
        api.post("v1/models", json=body).raise_for_status()
    target = Target(server.url, {"Authorization": f"Bearer {server.token}"}, name, server.pid)
    load(target)
    return target


def load(target: Target) -> None:
    """Load a model of our server."""
    _post(target, "load")


def unload(target: Target) -> None:
    """Unload a model of our server."""
    _post(target, "unload")


def _post(target: Target, action: str) -> None:
    path = f"v1/models/{quote(target.model, safe='')}/{action}"
    with httpx2.Client(base_url=target.url, headers=target.headers, timeout=600) as api:
        api.post(path, json={}).raise_for_status()


@contextmanager
def llama_cpp(python: Path, model: Path, **parameters: Any) -> Iterator[Target]:
    """Run llama.cpp's server with fields of its `common_params`.

    Parameters
    ----------
    python : Path
        An interpreter that has the package `xllamacpp`.
    """
    process = subprocess.Popen(
        [python, "-c", _XLLAMACPP, model, json.dumps(parameters)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with _killed(process):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit(
                f"llama.cpp's server did not start. Is xllamacpp installed in {python}?"
            )
        yield Target(f"{url}/", {}, "model", process.pid)


@contextmanager
def llama_server(program: Path, model: Path, *argv: str) -> Iterator[Target]:
    """Run llama.cpp's program ``llama-server``."""
    port = free_port()
    command = [str(program), "--model", str(model), "--port", str(port), *argv]
    with _listening(command, port, "health") as target:
        yield target


@contextmanager
def llama_cpp_python(python: Path, model: Path, *argv: str) -> Iterator[Target]:
    """Run llama-cpp-python's server; it answers one request after the other.

    Parameters
    ----------
    python : Path
        An interpreter that has ``llama-cpp-python[server]``.
    """
    port = free_port()
    command = [str(python), "-m", "llama_cpp.server", "--model", str(model), "--port", str(port)]
    # By default, a new request ends the one in progress.
    options = ["--interrupt_requests", "false", "--verbose", "false"]
    with _listening([*command, *options, *argv], port, "v1/models") as target:
        yield target


@contextmanager
def _listening(command: list[str], port: int, path: str) -> Iterator[Target]:
    """Run a server until the block ends; wait until GET `path` succeeds."""
    url = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with _killed(process):
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url + path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"This server did not start: {' '.join(command)}")
            time.sleep(0.1)
        yield Target(url, {}, "model", process.pid)


@contextmanager
def _killed(process: subprocess.Popen[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
