"""Write and remove the runtime file of a server (`contract.runtime_info`)."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
from jupyter_core.paths import jupyter_runtime_dir

from .. import __version__
from ..contract.errors import PowerError
from ..contract.machine import machine_id
from ..contract.regular_file import read_regular
from ..contract.runtime_info import (
    FILE_MODE,
    FILE_PATTERN,
    MAX_FILE_SIZE,
    RuntimeInfo,
    runtime_file,
)

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def describe_server(serverapp: ServerApp, key: str, *, headless: bool) -> RuntimeInfo:
    """Return the content of the runtime file of a server that runs in this process."""
    return RuntimeInfo(
        pid=os.getpid(),
        hostname=socket.gethostname(),
        machine=machine_id(),
        url=loopback_url(serverapp),
        key=key,
        version=__version__,
        headless=headless,
        certfile=_absolute(serverapp.certfile),
        sock=_absolute(serverapp.sock),
    )


def write_runtime_file(info: RuntimeInfo) -> Path:
    """Write the file atomically, with its final mode, and remove it at exit."""
    path = _runtime_file(info.pid)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    # O_EXCL does not follow a link that another user may have created.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(info))
    temporary.replace(path)
    atexit.register(remove_runtime_file, info.pid)
    return path


def remove_runtime_file(pid: int) -> None:
    """Remove the file of process `pid`, if it is this process."""
    atexit.unregister(remove_runtime_file)
    if pid == os.getpid():  # a forked child inherits the exit handler of its parent
        _runtime_file(pid).unlink(missing_ok=True)


def remove_stale_files() -> None:
    """Remove the files of killed servers on this machine.

    Other machines may share the runtime directory. Their processes are not visible here, so their
    files are kept.
    """
    for path in Path(jupyter_runtime_dir()).glob(FILE_PATTERN):
        # Another server may remove the file first. A file with other content is kept.
        with contextlib.suppress(OSError, PowerError, msgspec.DecodeError, UnicodeDecodeError):
            info = msgspec.json.decode(read_regular(path, MAX_FILE_SIZE), type=RuntimeInfo)
            if info.is_here and not psutil.pid_exists(info.pid):
                path.unlink(missing_ok=True)


def _runtime_file(pid: int) -> Path:
    return runtime_file(Path(jupyter_runtime_dir()), pid)


def _absolute(path: str) -> str | None:
    """Return an absolute path, since a kernel's working directory is not the server's."""
    return str(Path(path).absolute()) if path else None


def loopback_url(serverapp: ServerApp) -> str:
    """Return the URL of a server for processes on the same machine, with the base URL."""
    scheme = "https" if serverapp.certfile else "http"
    if serverapp.sock:
        return f"{scheme}://localhost{serverapp.base_url}"
    host = _address(serverapp.ip)
    netloc = f"[{host}]" if ":" in host else host
    return f"{scheme}://{netloc}:{serverapp.port}{serverapp.base_url}"


def _address(ip: str) -> str:
    """Return the numeric address of a server that listens on `ip`, preferably an IPv4 address.

    A name could mean another address later, and ``localhost`` is only ``::1`` on some machines.
    tornado looks the addresses up in the same way.
    """
    try:
        found = socket.getaddrinfo(ip or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return ip
    families = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    address = str(families[0][4][0])
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared
