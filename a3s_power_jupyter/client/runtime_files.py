"""The files by which servers of this user are found: URL and key, one file for each server.

The extension writes ``a3s-power-<pid>.json`` into the Jupyter runtime directory, mode 0600.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import msgspec
import psutil

from ..contract.errors import PowerError, ServerNotFound
from .connection import Connection, Server


def path_for(runtime_dir: Path, pid: int) -> Path:
    """Where the server with the process id `pid` keeps its file."""
    return runtime_dir / f"a3s-power-{pid}.json"


def read(path: Path) -> Server:
    """The server that `path` describes.

    Raises
    ------
    FileNotFoundError
    ServerNotFound
        The file is refused, since others could have written it or read the key; or it is no
        such file, or a server's on another machine.
    """
    try:
        # A link could point at a file that someone else can change.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ServerNotFound(f"{path} is not used: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        content = file.read()
    if os.name == "posix":
        if status.st_uid != os.getuid():
            raise ServerNotFound(f"{path} is not used: it belongs to another user.")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise ServerNotFound(
                f"{path} is not used: other users may read or write it. "
                "Restart that server, which makes a new key."
            )
    try:
        server = msgspec.json.decode(content, type=Server)
    except msgspec.DecodeError as error:
        raise ServerNotFound(f"{path} is not used: it is no runtime file ({error}).") from None
    # Homes are shared in clusters, and a process id means nothing on another machine.
    if server.hostname not in (None, socket.gethostname()):
        raise ServerNotFound(f"{path} is not used: its server runs on {server.hostname}.")
    return msgspec.structs.replace(server, url=server.url.rstrip("/") + "/")


def running(runtime_dir: Path, tried: list[str], *, patience: float) -> Server | None:
    """The newest server with a file in `runtime_dir` that answers with its key.

    Why the others are no good is appended to `tried`. `patience` is in seconds, for each.
    """
    for path in _newest_first(runtime_dir):
        try:
            server = read(path)
            if server.pid is None or not psutil.pid_exists(server.pid):
                tried.append(f"{path.name}: its server has ended")
                continue
            check(server, patience=patience)
        except (PowerError, FileNotFoundError) as error:
            tried.append(f"{path.name}: {error}")
            continue
        return server
    return None


def check(server: Server, *, patience: float) -> None:
    """Ask `server` for its health.

    Raises
    ------
    PowerError
        It does not answer within `patience` seconds, or refuses the key.
    """
    connection = Connection(server)
    try:
        connection.request("GET", "health", timeout=patience)
    finally:
        connection.close()


def _newest_first(runtime_dir: Path) -> list[Path]:
    ages: list[tuple[float, Path]] = []
    for path in runtime_dir.glob("a3s-power-*.json"):
        try:
            ages.append((path.stat().st_mtime, path))
        except FileNotFoundError:  # its server ended just now
            continue
    return [path for _, path in sorted(ages, reverse=True)]
