"""The server that a client starts when there is none: `jupyter power`, shared by all kernels.

A kernel of VS Code or IPython in a terminal has no Jupyter server. The first client starts one in
a session of its own, so that it outlives the kernel; it ends itself after `IDLE_EXIT` seconds.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import filelock
import psutil

from ..contract.errors import PowerError, ServerNotFound
from . import runtime_files
from .connection import Server

#: Seconds without a request and without a loaded model after which it ends.
IDLE_EXIT = 1800
#: Seconds it may take until it answers.
START_TIMEOUT = 60.0

_LOG_LINES_SHOWN = 12

# `Popen` warns when it is collected before its process ended; ours is meant to live on.
_started: list[subprocess.Popen[bytes]] = []


def share(runtime_dir: Path) -> Server:
    """The headless server of this user, started when there is none.

    Raises
    ------
    ServerNotFound
        It did not start, with the end of its log.
    """
    runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = filelock.FileLock(runtime_dir / "a3s-power-headless.lock", timeout=START_TIMEOUT)
    try:
        with lock:
            running = runtime_files.running(runtime_dir, [], patience=5.0)
            return running or _start(runtime_dir)
    except filelock.Timeout:
        raise ServerNotFound(
            "Another process has been starting a server for a minute. Start one yourself: "
            "`jupyter power`."
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
            # A token that we know is one that we can take out of the log.
            env={**os.environ, "JUPYTER_TOKEN": token},
        )
    finally:
        os.close(descriptor)
    _started.append(process)
    return _wait(process, runtime_dir, log, token)


def _wait(process: subprocess.Popen[bytes], runtime_dir: Path, log: Path, token: str) -> Server:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server = runtime_files.read(runtime_files.path_for(runtime_dir, process.pid))
            runtime_files.check(server, patience=5.0)
        except (FileNotFoundError, PowerError):  # not there, or not listening, yet
            time.sleep(0.05)
        else:
            return server
    if process.poll() is None:
        psutil.Process(process.pid).terminate()
        ending = f"did not answer within {START_TIMEOUT:.0f} s"
    else:
        ending = f"ended with status {process.returncode}"
    lines = log.read_text("utf-8", errors="replace").replace(token, "...").splitlines()
    tail = "\n".join(lines[-_LOG_LINES_SHOWN:])
    raise ServerNotFound(
        f"There was no server, and the one that was started {ending}. Its log, {log}, ends:\n{tail}"
    )
