"""How a client finds its server without being told URL or token.

In order: the address given; ``A3S_POWER_URL``; the server that started this kernel; any server of
this user; and last a headless one that is started for the purpose.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import msgspec
import psutil
from jupyter_core.paths import jupyter_runtime_dir

from ..contract.errors import InvalidParameter, ServerNotFound
from . import launcher, runtime_files
from .connection import Server


def at_address(url: str, token: str | None, found: str) -> Server:
    """The server at an address that a person gave.

    `url` may end in ``v1`` and may bring the token as ``?token=``, as Jupyter prints it.

    Raises
    ------
    InvalidParameter
        `url` is no HTTP address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidParameter(
            f"{url.partition('?')[0]!r} is no server's address; "
            "it looks like 'http://localhost:8888'.",
            param="url",
        )
    token = token or parse_qs(parts.query).get("token", [None])[0]
    path = parts.path.rstrip("/").removesuffix("/v1") + "/"
    return Server(
        url=urlunsplit((parts.scheme, parts.netloc, path, "", "")), key=token, found=found
    )


def find(*, start: bool = True, patience: float = 5.0) -> Server:
    """The server for this process.

    Parameters
    ----------
    start
        Whether to start a headless server where there is none.
    patience
        Seconds that each server may take to answer.

    Raises
    ------
    ServerNotFound
        With what was tried, and what to do.
    """
    address = os.environ.get("A3S_POWER_URL")
    if address:
        token = os.environ.get("A3S_POWER_TOKEN")
        return at_address(address, token, "named by A3S_POWER_URL")
    runtime_dir = Path(jupyter_runtime_dir())
    tried = ["A3S_POWER_URL is not set"]
    server = _of_this_kernel(runtime_dir, tried)
    if server:
        return msgspec.structs.replace(server, found="the server that started this kernel")
    server = runtime_files.running(runtime_dir, tried, patience=patience)
    if server:
        return msgspec.structs.replace(server, found="a server of yours that was running")
    if start:
        server = launcher.share(runtime_dir)
        return msgspec.structs.replace(server, found="a headless server, started for this kernel")
    raise ServerNotFound(
        f"No Jupyter server with a3s-power-jupyter was found ({'; '.join(tried)}; and no other "
        f"server has its file in {runtime_dir}). Start one with `jupyter lab` or `jupyter power`, "
        "or name one: connect(url, token), or the variables A3S_POWER_URL and A3S_POWER_TOKEN."
    )


def _of_this_kernel(runtime_dir: Path, tried: list[str]) -> Server | None:
    for pid in _starters():
        try:
            return runtime_files.read(runtime_files.path_for(runtime_dir, pid))
        except FileNotFoundError:
            continue
        except ServerNotFound as error:
            tried.append(error.message)
    tried.append("no server with the extension started this process")
    return None


def _starters() -> Iterator[int]:
    """Processes that may have started this kernel, nearest first.

    ``JPY_PARENT_PID`` is set by jupyter_client; on Windows it is a handle and no pid. Ancestors
    come next, for launchers in between and for IPython in one of JupyterLab's terminals.
    """
    named = os.environ.get("JPY_PARENT_PID", "")
    if named.isdecimal() and os.name == "posix" and psutil.pid_exists(int(named)):
        yield int(named)
    for process in psutil.Process().parents():
        yield process.pid
