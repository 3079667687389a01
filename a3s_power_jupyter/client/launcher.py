"""Start a headless server (``jupyter power``) for kernels without a Jupyter server.

Kernels of VS Code and IPython in a terminal have no Jupyter server. The first client starts a
headless one in a new session, so that the server outlives its kernel, and other kernels share it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import filelock

from ..contract.errors import PowerError, ServerNotFound
from ..contract.runtime_info import runtime_file
from .address import Server
from .running_servers import check_health, find_running_server, read_server

#: Seconds without requests and without a loaded model after which the server exits.
IDLE_EXIT = 1800
#: Seconds to wait for a new server to respond.
START_TIMEOUT = 60.0

_LOG_LINES_SHOWN = 12

# Keeps `Popen` objects alive: a collected one warns if its process is still running.
_started: list[subprocess.Popen[bytes]] = []


def shared_server(runtime_dir: Path) -> Server:
    """Return a running server of this user, or start a headless one.

    Raises
    ------
    ServerNotFound
        If the new server does not respond. The message ends with its log.
    """
    runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = filelock.FileLock(runtime_dir / "a3s-power-headless.lock", timeout=START_TIMEOUT)
    try:
        with lock:
            return find_running_server(runtime_dir, [], timeout=5.0) or _start(runtime_dir)
    except filelock.Timeout:
        raise ServerNotFound(
            f"Another process has been starting a server for {START_TIMEOUT:.0f} s. Try again, or "
            "start one in a terminal: `jupyter power`."
        ) from None


def _start(runtime_dir: Path) -> Server:
    log = runtime_dir / "a3s-power-headless.log"
    token = secrets.token_urlsafe(32)
    command = [
        *(sys.executable, "-m", "a3s_power_jupyter.server.extension"),
        *("--ip=127.0.0.1", "--port=0", f"--PowerApp.idle_exit={IDLE_EXIT}"),
    ]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A known token can be removed from the log before it is shown.
            env={**os.environ, "JUPYTER_TOKEN": token},
        )
    finally:
        os.close(descriptor)
    _started.append(process)
    return _wait_for(process, runtime_dir, log, token)


def _wait_for(process: subprocess.Popen[bytes], runtime_dir: Path, log: Path, token: str) -> Server:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server = read_server(runtime_file(runtime_dir, process.pid))
            check_health(server, timeout=5.0)
        except (FileNotFoundError, PowerError):  # not ready yet
            time.sleep(0.05)
        else:
            return server
    if process.poll() is None:
        process.terminate()
        failure = f"did not respond within {START_TIMEOUT:.0f} s"
    else:
        failure = f"exited with status {process.returncode}"
    lines = log.read_text("utf-8", errors="replace").replace(token, "...").splitlines()
    tail = "\n".join(lines[-_LOG_LINES_SHOWN:])
    raise ServerNotFound(
        f"No server was running, and the headless server started for this kernel {failure}. "
        f"The last lines of its log, {log}:\n{tail}"
    )
