"""Run a real JupyterHub with its proxy and the servers of users, from the examples of the docs.

`make hub` installs JupyterHub and its proxy in ``build/hub``, an environment that also sees the
packages of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from . import servers
from .paths import ROOT, TESTS
from .ports import free_ports

ENVIRONMENT = ROOT / "build" / "hub"

#: Seconds without activity after which the culler stops a server. A server with requests reports
#: activity every 20 seconds (`server.activity.INTERVAL`).
CULL_TIMEOUT = 40

#: Seconds for the start of the hub or of a user's server.
START = 120

PASSWORD = "of-the-tests"


@dataclass(frozen=True)
class Hub:
    """A running JupyterHub.

    A user has a server without a name, and may have others with a name.

    Attributes
    ----------
    url : str
        Address of the proxy, with the base URL and a trailing slash.
    pid : int
        The hub's process. Its proxy and the servers of users are its children.
    tokens : dict of str to str
        Tokens of services by name, and of users that have a server.
    """

    url: str
    folder: Path
    pid: int
    tokens: dict[str, str]

    def client(self, token: str | None = None) -> httpx2.Client:
        """Return a client; paths are relative to the hub's base URL."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def api(self) -> httpx2.Client:
        """Return a client of the hub's own API with all rights."""
        client = self.client(self.tokens["admin"])
        client.base_url = f"{self.url}hub/api/"
        return client

    def url_of(self, user: str, name: str = "") -> str:
        """Return the address of a user's server, with a trailing slash."""
        return f"{self.url}user/{user}/{name + '/' if name else ''}"

    def as_user(self, user: str, token: str | None = None, *, name: str = "") -> httpx2.Client:
        """Return a client of a user's server, with that user's token or another one."""
        client = self.client(token or self.tokens[user])
        client.base_url = self.url_of(user, name)
        return client

    def home(self, user: str) -> Path:
        return self.folder / "home" / user

    def start(self, user: str, name: str = "") -> None:
        """Start a server of a user and wait until it is ready."""
        with self.api() as api:
            path = f"users/{user}/servers/{name}" if name else f"users/{user}/server"
            # 400 while the culler is stopping it.
            wait_until(
                lambda: api.post(path).status_code in (201, 202),
                START,
                f"the start of {user}'s server {name}",
            )
            wait_until(lambda: self.is_ready(user, name), START, f"the server {name} of {user}")
            if user not in self.tokens:
                reply = api.post(f"users/{user}/tokens", json={"note": "tests"})
                self.tokens[user] = reply.raise_for_status().json()["token"]

    def have_running(self, *users: str) -> None:
        """Start the servers of users that are not running, at once.

        The others count as used just now, so that the culler does not stop them meanwhile.
        """
        for user in users:
            self._report_activity(user)
        missing = [user for user in users if not self.is_ready(user)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.start, missing))

    def _report_activity(self, user: str) -> None:
        if not self.is_ready(user):
            return
        now = datetime.now(UTC).isoformat()
        with self.api() as api:
            body = {"servers": {"": {"last_activity": now}}}
            reply = api.post(f"users/{user}/activity", json=body)
        assert reply.is_success or not self.is_ready(user), reply.text

    def stop(self, user: str, name: str = "") -> None:
        with self.api() as api:
            path = f"users/{user}/servers/{name}" if name else f"users/{user}/server"
            api.delete(path).raise_for_status()
        wait_until(lambda: not self.is_running(user, name), START, f"the end of {user}'s server")

    def is_ready(self, user: str, name: str = "") -> bool:
        return bool(self._servers(user).get(name, {}).get("ready"))

    def is_running(self, user: str, name: str = "") -> bool:
        return name in self._servers(user)

    def pid_of(self, user: str, name: str = "") -> int:
        """Return the id of the process of a running server."""
        return int(self._servers(user)[name]["state"]["pid"])

    def _servers(self, user: str) -> dict[str, Any]:
        """Return the running servers of a user by name."""
        with self.api() as api:
            found = api.get(f"users/{user}", params={"include_stopped_servers": "0"})
            servers: dict[str, Any] = found.raise_for_status().json()["servers"]
            return servers

    def server(self, user: str, name: str = "") -> servers.Server:
        """Return a user's server, as the helpers of the tests need it."""
        home = self.home(user)
        return servers.Server(
            process=None,  # type: ignore[arg-type] # the hub's spawner has it
            url=self.url_of(user, name),
            token=self.tokens[user],
            key="",
            runtime_dir=home / "runtime",
            home=home / "power",
            log=self.folder / "hub.log",
            environ={"JUPYTER_CONFIG_DIR": str(home / "config")},
        )


def wait_until(is_done: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < deadline, f"timeout: {what}"
        time.sleep(0.2)


@contextmanager
def run_jupyterhub(
    folder: Path,
    environ: dict[str, str],
    *,
    cull_timeout: int = CULL_TIMEOUT,
    list_every: float = 0.5,
    base_url: str = "/",
    proxy_options: str = "",
) -> Iterator[Hub]:
    """Run a hub for the users ada and bob, with the model store ``folder/shared``.

    Parameters
    ----------
    cull_timeout, list_every : float
        Seconds without activity after which a server is stopped, and between two lists of the
        servers for Prometheus.
    proxy_options : str
        Command-line options of the proxy, such as ``--timeout=20000``.
    """
    ports = free_ports(3)
    url = f"http://127.0.0.1:{ports[0]}{base_url}"
    tokens = {name: f"token-of-{name}" * 3 for name in ("admin", "batch", "prometheus", "stranger")}
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "A3S_POWER", "JPY_", "HF_"))
    }
    env |= {
        "EXAMPLES": str(ROOT / "docs/examples"),
        "HUB_FOLDER": str(folder),
        "HUB_URL": url.rstrip("/"),
        "HUB_PORT": str(ports[1]),
        "PROXY_API_URL": f"http://127.0.0.1:{ports[2]}",
        "PROXY_COMMAND": str(ENVIRONMENT / "node_modules/.bin/configurable-http-proxy"),
        "PROXY_OPTIONS": proxy_options,
        "SHARED_HOME": str(folder / "shared"),
        "CULL_TIMEOUT": str(cull_timeout),
        "LIST_EVERY": str(list_every),
        "ADMIN_TOKEN": tokens["admin"],
        "BATCH_TOKEN": tokens["batch"],
        "PROMETHEUS_TOKEN": tokens["prometheus"],
        "STRANGER_TOKEN": tokens["stranger"],
        "GPU_BOX_TOKEN": servers.TOKEN,
        "PYTHONPATH": str(ROOT),
        # The kernel and the extensions of the environment of the tests.
        "JUPYTER_PATH": str(Path(sys.prefix) / "share/jupyter"),
        "JUPYTER_CONFIG_PATH": str(Path(sys.prefix) / "etc/jupyter"),
        **environ,
    }
    log = folder / "hub.log"
    python = ENVIRONMENT / "bin/python"
    config = TESTS / "hub/jupyterhub_config.py"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "jupyterhub", "-f", config],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        running = Hub(url, folder, process.pid, tokens)
        with running.api() as api:
            wait_until(lambda: answers(api, process, log), START, "the hub")
        yield running
    finally:
        servers.stop(process)


def answers(api: httpx2.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return api.get("info").status_code == 200
    except httpx2.TransportError:
        return False
