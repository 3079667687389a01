"""Run real servers for tests, each in its own process and folders."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil

import a3s_power_jupyter
from a3s_power_jupyter.contract import sse
from a3s_power_jupyter.contract.runtime_info import runtime_file

from .paths import TESTS

TOKEN = "token-of-the-tests"
START_SECONDS = 60
STOP_SECONDS = 30

#: Server extensions that take seconds to start.
LAB_EXTENSIONS = ("jupyterlab", "jupyter_lsp", "notebook", "notebook_shim")

#: The running servers. conftest.py shows their logs when a test fails.
running: list[Server] = []


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    url : str
        Address, including the base URL and a trailing slash.
    token : str
        Accepted as ``Authorization: Bearer``.
    key : str
        The kernels' key, from the runtime file.
    """

    process: subprocess.Popen[bytes]
    url: str
    token: str
    key: str
    runtime_dir: Path
    home: Path
    log: Path
    environ: Mapping[str, str]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runtime_file(self) -> Path:
        return runtime_file(self.runtime_dir, self.pid)

    def client(self, **headers: str) -> httpx2.Client:
        """Return a client without credentials; paths are relative to `url`."""
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def api(self) -> httpx2.Client:
        """Return a client that sends the token."""
        return self.client(Authorization=f"Bearer {self.token}")


@contextmanager
def run_server(
    folder: Path,
    *argv: str,
    headless: bool = False,
    token: str = TOKEN,
    home: Path | None = None,
    runtime_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    fake: bool | str = False,
    lab: bool = False,
    port: int = 0,
    python: str = sys.executable,
) -> Iterator[Server]:
    """Run ``jupyter server``, or ``jupyter power`` if `headless`, until the block ends.

    Parameters
    ----------
    folder : Path
        Directory for the server's configuration, data, notebooks and log, and for its `home` and
        `runtime_dir` unless they are given.
    argv : str
        Command-line options, such as ``--ServerApp.base_url=/user/ada/``.
    fake : bool or str
        Serve `fake_service.FakeService`, or the class of that module with this name, instead of
        real models.
    lab : bool
        Whether to start JupyterLab and Notebook too.
    port : int
        The port to listen on; 0 for a free one.
    python : str
        The interpreter, which may be of another environment that has this package.
    """
    home = home or folder / "power"
    runtime_dir = runtime_dir or folder / "runtime"
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    env = clean_environ(folder, home, runtime_dir) | {"JUPYTER_TOKEN": token} | (environ or {})
    path = [(environ or {}).get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
    if lab:
        link_lab_extension(folder / "data")
        env["JUPYTER_PREFER_ENV_PATH"] = "0"  # the environment may have an older one
    elif not headless:
        _disable(LAB_EXTENSIONS, folder / "config")
    module = "a3s_power_jupyter.server.extension" if headless else "jupyter_server"
    options = [] if any("--sock" in arg for arg in argv) else ["--ip=127.0.0.1", f"--port={port}"]
    if not headless:
        options += ["--no-browser", "--allow-root", "--ServerApp.port_retries=0"]
    if fake:
        service = "FakeService" if fake is True else fake
        options.append(f"--PowerApp.service_class=support.fake_service.{service}")
        path.append(str(TESTS))
    env["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    with run_process([python, "-m", module, *options, *argv], folder, env, token) as server:
        yield server


@contextmanager
def run_process(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str], token: str
) -> Iterator[Server]:
    """Run the command line of a server until the block ends.

    `environ` has its model store and its runtime directory, and `folder` its notebooks and log.
    """
    log = folder / "server.log"
    runtime_dir, home = Path(environ["JUPYTER_RUNTIME_DIR"]), Path(environ["A3S_POWER_HOME"])
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder / "notebooks",
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        info = _wait_for(runtime_file(runtime_dir, process.pid), process, log)
        server = Server(process, info["url"], token, info["key"], runtime_dir, home, log, environ)
        running.append(server)
        yield server
    finally:
        running[:] = [other for other in running if other.process is not process]
        stop(process)


def clean_environ(folder: Path, home: Path, runtime_dir: Path) -> dict[str, str]:
    """Return this process's environment with every Jupyter folder inside `folder`."""
    env = {
        name: value
        for name, value in os.environ.items()
        # Workers of pytest-xdist have COLUMNS, which overrides the width of a terminal.
        if not name.startswith(("JUPYTER", "A3S_POWER", "JPY_", "COLUMNS"))
    }
    return env | {
        "HOME": str(folder),
        "JUPYTER_RUNTIME_DIR": str(runtime_dir),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
        "A3S_POWER_HOME": str(home),
    }


def _disable(extensions: tuple[str, ...], config: Path) -> None:
    """Write a configuration that disables these server extensions."""
    config.mkdir(exist_ok=True)
    settings = {"ServerApp": {"jpserver_extensions": dict.fromkeys(extensions, False)}}
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))


def link_lab_extension(data: Path) -> None:
    """Let JupyterLab load the extension that was built in this checkout."""
    built = Path(a3s_power_jupyter.__file__).with_name("labextension")
    link = data / "labextensions" / "a3s-power-jupyter"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(built)


def stop(process: subprocess.Popen[bytes]) -> int:
    """Terminate `process` with SIGTERM and return its exit status."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def stop_pid(pid: int) -> None:
    """Stop the process with this id, if it is running, and wait until it has exited."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        # A kernel does not reap its children, so the process may remain as a zombie.
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """Wait for the runtime file, which is written once the server listens, and return it."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            info: dict[str, str] = json.loads(path.read_text())
            return info
        time.sleep(0.05)
    raise RuntimeError(f"The server did not start. Its log:\n{log.read_text()}")


@contextmanager
def unread_post(server: Server, path: str, body: dict[str, object]) -> Iterator[socket.socket]:
    """Send a request without reading the reply. The connection is closed when the block ends.

    The operating system receives little of the reply for it.
    """
    content = json.dumps(body).encode()
    address = urlsplit(server.url + path)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(head.encode() + content)
        yield connection


def remove_models(server: Server) -> None:
    """Remove all models and pulls of `server`, including loaded models and unfinished pulls."""
    with server.api() as api:
        pulls = [pull["name"] for pull in api.get("v1/models/pull").json()["data"]]
        models = [model["id"] for model in api.get("v1/models").json()["data"]]
        for name in {*pulls, *models}:
            api.delete(f"v1/models/{name}?force=true").raise_for_status()


def tail(log: Path, lines: int = 60) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def error_code(response: httpx2.Response) -> str:
    """Return the code of an error in the shape of any dialect."""
    body = response.json()
    error = body["error"]
    return str(error["code"] if isinstance(error, dict) else body["code"])


def error_message(response: httpx2.Response) -> str:
    """Return the message of an error in the shape of any dialect."""
    error = response.json()["error"]
    return str(error["message"] if isinstance(error, dict) else error)


def events_of(reply: httpx2.Response) -> Iterator[dict[str, object]]:
    """Yield the JSON events of an SSE reply, without the final ``[DONE]``."""
    for data in sse.iter_events(reply.iter_bytes()):
        if data != b"[DONE]":
            yield json.loads(data)


def written_by(server: Server) -> str:
    """Return the log of a server and the small files in its home, to search them for secrets."""
    files = [path for path in server.home.rglob("*") if path.is_file()]
    small = [path.read_bytes() for path in files if path.stat().st_size < 10**6]
    return b"".join([server.log.read_bytes(), *small]).decode(errors="replace")
