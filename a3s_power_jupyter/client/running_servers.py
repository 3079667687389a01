"""Find running servers of this user by their runtime files (`contract.runtime_info`)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import psutil

from ..contract.errors import PowerError, ServerNotFound
from ..contract.runtime_info import FILE_PATTERN, MAX_FILE_SIZE, RuntimeInfo
from .address import Server
from .connection import Connection

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def read_server(path: Path) -> Server:
    """Return the server that a runtime file describes.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ServerNotFound
        If another user can write the file or read its key, if it is not a runtime file, or if its
        server runs on another machine.
    """
    try:
        # A link could point to a file that another user can change, and a pipe has no end.
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ServerNotFound(f"{path} was ignored: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ServerNotFound(f"{path} was ignored: it is not a regular file.")
        content = file.read(MAX_FILE_SIZE)
    if os.name == "posix":
        if status.st_uid != os.getuid():
            raise ServerNotFound(f"{path} was ignored: it belongs to another user.")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise ServerNotFound(
                f"{path} was ignored: other users can read or write it. "
                "Restart its server to create a new key."
            )
    try:
        info = msgspec.json.decode(content, type=RuntimeInfo)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerNotFound(f"{path} was ignored: it is not a runtime file ({error}).") from None
    # Home directories are shared in clusters, and a process id is only valid on its machine.
    if not info.is_here:
        raise ServerNotFound(f"{path} was ignored: its server runs on {info.hostname}.")
    return Server(**msgspec.structs.asdict(info))


def find_running_server(runtime_dir: Path, rejected: list[str], *, timeout: float) -> Server | None:
    """Return the most recently started server that responds and accepts its key.

    Parameters
    ----------
    rejected : list of str
        The reason for each skipped file is appended.
    timeout : float
        Seconds to wait for the response of each server.
    """
    for path in _newest_first(runtime_dir):
        try:
            server = read_server(path)
            if server.pid is None or not psutil.pid_exists(server.pid):
                rejected.append(f"{path.name}: its server has stopped")
                continue
            check_health(server, timeout=timeout)
        except FileNotFoundError:  # the server has just stopped
            continue
        except PowerError as error:
            rejected.append(error.message)
            continue
        return server
    return None


def check_health(server: Server, *, timeout: float) -> None:
    """Request the server's health.

    Raises
    ------
    PowerError
        If the server does not respond within `timeout` seconds or refuses the key.
    """
    connection = Connection(server)
    try:
        connection.request("GET", "health", timeout=timeout)
    finally:
        connection.close()


def _newest_first(runtime_dir: Path) -> list[Path]:
    ages: list[tuple[float, Path]] = []
    for path in runtime_dir.glob(FILE_PATTERN):
        try:
            ages.append((path.stat().st_mtime, path))
        except FileNotFoundError:  # the server has just stopped
            continue
    return [path for _, path in sorted(ages, reverse=True)]
