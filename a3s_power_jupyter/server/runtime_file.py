"""The file by which a kernel finds the server that started it, and may ask it.

``<jupyter runtime dir>/a3s-power-<pid>.json``, readable by its owner alone::

    {"pid": 4711, "hostname": "lab", "url": "http://127.0.0.1:8888/user/ada/", "key": "...",
     "version": "0.1.0", "headless": false, "certfile": "...", "sock": "..."}

``certfile`` (the server's certificate) and ``sock`` (its unix socket) are there only where the
server has one. The key opens the routes of this package on this server, and nothing else.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import stat
from pathlib import Path

import msgspec
import psutil
from jupyter_core.paths import jupyter_runtime_dir


class RuntimeInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The content of the file. `url` ends in the server's base URL, with a slash."""

    pid: int
    hostname: str
    url: str
    key: str
    version: str
    headless: bool
    certfile: str | None = None
    sock: str | None = None


def runtime_file(pid: int) -> Path:
    return Path(jupyter_runtime_dir()) / f"a3s-power-{pid}.json"


def write_runtime_file(info: RuntimeInfo) -> Path:
    """Write the file, private from its first moment, and see to it that it goes at exit."""
    path = runtime_file(info.pid)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    # O_EXCL: never follow a link that somebody else put there.
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR
    )
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(info))
    temporary.replace(path)
    atexit.register(remove_runtime_file, info.pid)
    return path


def remove_runtime_file(pid: int) -> None:
    """Remove the file of process `pid`, if that is this process and the file is still there."""
    atexit.unregister(remove_runtime_file)
    if pid == os.getpid():
        runtime_file(pid).unlink(missing_ok=True)


def remove_stale_files() -> None:
    """Remove what servers of this machine left behind that were killed.

    A runtime directory may be shared with other machines, whose processes we cannot see.
    """
    for path in Path(jupyter_runtime_dir()).glob("a3s-power-*.json"):
        # Another server, tidying up as well, may be faster; a file that is no JSON is not ours.
        with contextlib.suppress(OSError, msgspec.DecodeError):
            info = msgspec.json.decode(path.read_bytes(), type=RuntimeInfo)
            if info.hostname == socket.gethostname() and not psutil.pid_exists(info.pid):
                path.unlink(missing_ok=True)
