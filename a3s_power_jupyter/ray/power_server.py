"""Run ``jupyter power`` as a child process that only this process can reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from logging import Logger
from pathlib import Path

import httpx2
import msgspec

from ..contract.runtime_info import RuntimeInfo, runtime_file
from ..ipc.child import python_module
from ..ipc.lifetime import OWN_GROUP, WATCHER
from ..ipc.watcher import kill_group
from ..store.temporary import in_use, remove_abandoned

#: Seconds that the server may take to start and to stop.
START_TIMEOUT, STOP_TIMEOUT = 120.0, 15.0

PREFIX = "a3s-power-ray-"

#: Longest path of a Unix socket that all systems allow.
_MAX_SOCKET = 100


class PowerServer:
    """A server on a Unix socket in a folder of its own, with its own runtime directory.

    It is killed when this process ends, for whatever reason.

    Parameters
    ----------
    options : sequence of str
        Command line options.
    environment : Mapping
        Variables beside those of this process.
    log : Logger
        Receives what the server writes to its log.
    on_exit : callable
        Called in a thread, with the exit status, if the server ends before `stop`.
    """

    def __init__(
        self,
        options: Sequence[str],
        environment: Mapping[str, str],
        log: Logger,
        on_exit: Callable[[int], None],
    ) -> None:
        self._log = log
        self._on_exit = on_exit
        self._stopping = threading.Event()
        self._folder = _private_folder()
        self._resources = ExitStack()
        self._resources.enter_context(in_use(self._folder))
        self.socket = str(self._folder / "power.sock")
        self._process = subprocess.Popen(
            [*python_module("a3s_power_jupyter.server.extension"), *self._options(), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                **environment,
                "JUPYTER_RUNTIME_DIR": str(self._folder),  # kernels here do not find this server
                "PYTHONSAFEPATH": "1",
            },
            cwd=os.sep,
            process_group=OWN_GROUP,
        )
        WATCHER.add(self.pid)
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _options(self) -> list[str]:
        return [
            f"--ServerApp.sock={self.socket}",
            "--ServerApp.sock_mode=0600",
            "--ServerApp.base_url=/",
            "--ServerApp.authorizer_class=a3s_power_jupyter.ray.authorizer.ReplicaAuthorizer",
            "--ServerApp.allow_remote_access=True",  # names of the cluster
        ]

    def wait_until_ready(self, token: str) -> str:
        """Wait until the server answers requests, and return the key that may change its models.

        Raises
        ------
        RuntimeError
            If it ends, or does not answer in time.
        """
        transport = httpx2.HTTPTransport(uds=self.socket)
        headers = {"Authorization": f"Bearer {token}"}
        end = time.monotonic() + START_TIMEOUT
        with httpx2.Client(transport=transport, headers=headers, timeout=10) as client:
            while time.monotonic() < end and self._process.poll() is None:
                try:
                    client.get("http://localhost/v1/health").raise_for_status()
                except httpx2.TransportError:
                    time.sleep(0.1)
                else:
                    content = runtime_file(self._folder, self.pid).read_bytes()
                    return msgspec.json.decode(content, type=RuntimeInfo).key
        self.stop()
        raise RuntimeError("jupyter power does not start. The log of the replica has the reason.")

    def stop(self) -> None:
        """End the server, and remove its folder."""
        self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            kill_group(self.pid)
            self._process.wait()
        WATCHER.remove(self.pid)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._resources.close()

    def _follow(self) -> None:
        """Log the output until it ends, and then report the end of the server."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._log.info("%s", line.decode(errors="replace").rstrip())
        status = self._process.wait()
        if not self._stopping.is_set():
            self._on_exit(status)


def _private_folder() -> Path:
    """Return a new folder that only this user can enter, with a path short enough for a socket.

    Those of replicas that were killed are removed.
    """
    temporary = Path(tempfile.gettempdir())
    if len(str(temporary / f"{PREFIX}12345678/power.sock")) > _MAX_SOCKET:
        temporary = Path("/tmp")  # noqa: S108 - the folder in it is private
    remove_abandoned(temporary, PREFIX)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
