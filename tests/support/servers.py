"""Real servers for tests: a process each, in folders of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from a3s_power_jupyter.contract import sse

from .paths import TESTS

TOKEN = "token-of-the-tests"
START_SECONDS = 60
STOP_SECONDS = 30

#: Those that run now; conftest shows their logs when a test fails.
running: list[Server] = []


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    url : with the base URL and a slash at its end.
    token : what it accepts as ``Authorization: Bearer``.
    key : the kernel's key, from the runtime file.
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
        return self.runtime_dir / f"a3s-power-{self.pid}.json"

    def client(self, **headers: str) -> httpx2.Client:
        """A client without credentials; paths are relative to `url`."""
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def api(self) -> httpx2.Client:
        """A client with the token."""
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
    fake: bool = False,
) -> Iterator[Server]:
    """Run ``jupyter server``, or ``jupyter power`` if `headless`, until the block ends.

    Parameters
    ----------
    folder
        Where it keeps everything; `home` and `runtime_dir` may be another server's.
    argv
        Options of the command line, as ``--ServerApp.base_url=/user/ada/``.
    fake
        With `fake_service.FakeService` behind the routes.
    """
    home = home or folder / "power"
    runtime_dir = runtime_dir or folder / "runtime"
    log = folder / "server.log"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notebooks").mkdir(exist_ok=True)
    env = clean_environ(folder, home, runtime_dir) | {"JUPYTER_TOKEN": token} | (environ or {})
    folders = (
        (environ or {}).get("PYTHONPATH"),
        str(TESTS) if fake else None,
        os.environ.get("PYTHONPATH"),
    )
    env["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    module = "a3s_power_jupyter.server.extension" if headless else "jupyter_server"
    address = [] if any("--sock" in arg for arg in argv) else ["--ip=127.0.0.1", "--port=0"]
    options = [] if headless else ["--no-browser", "--allow-root", "--ServerApp.port_retries=0"]
    if fake:
        options.append("--PowerApp.service_class=support.fake_service.FakeService")
        _without_lab(folder / "config")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *address, *options, *argv],
            cwd=folder / "notebooks",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        info = _wait_for(runtime_dir / f"a3s-power-{process.pid}.json", process, log)
        server = Server(process, info["url"], token, info["key"], runtime_dir, home, log, env)
        running.append(server)
        yield server
    finally:
        running[:] = [other for other in running if other.process is not process]
        stop(process)


def clean_environ(folder: Path, home: Path, runtime_dir: Path) -> dict[str, str]:
    """This process's environment without what it says about Jupyter and A3S Power."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "A3S_POWER", "JPY_"))
    }
    return env | {
        "HOME": str(folder),
        "JUPYTER_RUNTIME_DIR": str(runtime_dir),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
        "A3S_POWER_HOME": str(home),
    }


def _without_lab(config: Path) -> None:
    """The extensions that take seconds to start, and that no fake is about."""
    off = dict.fromkeys(("jupyterlab", "jupyter_lsp", "notebook_shim"), False)
    config.mkdir(exist_ok=True)
    settings = {"ServerApp": {"jpserver_extensions": off}}
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))


def stop(process: subprocess.Popen[bytes]) -> int:
    """End `process` as an administrator would; its exit status."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def end(pid: int) -> None:
    """Stop the server with the process id `pid`, if it runs, and wait for its end."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        # It may be the child of a kernel that does not wait for it.
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """The content of the runtime file, which is written when the server listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            found: dict[str, str] = json.loads(path.read_text())
            return found
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start; its log:\n{log.read_text()}")


def tail(log: Path, lines: int = 60) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def events_of(reply: httpx2.Response) -> Iterator[dict[str, object]]:
    """Yield the JSON events of an SSE reply, without the final ``[DONE]``."""
    for data in sse.iter_events(reply.iter_bytes()):
        if data != b"[DONE]":
            yield json.loads(data)
