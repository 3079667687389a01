"""Find the server for a client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import msgspec
import psutil
from jupyter_core.paths import jupyter_runtime_dir

from ..contract.errors import ConnectionLost, InvalidParameter, PowerError, ServerNotFound
from ..contract.redaction import Redactor, clean_token
from ..contract.runtime_info import runtime_file
from .address import Server
from .launcher import shared_server
from .running_servers import check_health, find_running_server, read_server


def server_at(url: str, token: str | None, found: str) -> Server:
    """Return the server at a URL typed or pasted by a user.

    Parameters
    ----------
    url : str
        May end in ``v1``, and may contain the token as ``?token=``, as printed by Jupyter.
    token : str or None
        Takes precedence over the token in the URL.
    found : str
        Source of the URL, for messages.

    Raises
    ------
    InvalidParameter
        If `url` is not an HTTP URL, or the token contains characters that a token cannot have.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidParameter(
            f"{Redactor(token)(url.partition('?')[0])!r} is not a server URL. "
            "Use a URL such as 'http://localhost:8888'.",
            param="url",
        )
    token = clean_token(token, "The token", param="token") or clean_token(
        parse_qs(parts.query).get("token", [None])[0], "The token in the URL", param="url"
    )
    path = parts.path.rstrip("/").removesuffix("/v1") + "/"
    return Server(
        url=urlunsplit((parts.scheme, parts.netloc, path, "", "")), key=token, found=found
    )


def find_server(*, start: bool = True, timeout: float = 5.0) -> Server:
    """Find the server for this process.

    The order is: ``A3S_POWER_URL``, the server that started this kernel, any running server of
    this user, and a new headless server.

    Parameters
    ----------
    start : bool
        Whether to start a headless server if none is running.
    timeout : float
        Seconds to wait for the response of each running server.

    Raises
    ------
    ServerNotFound
        If no server is found. The message lists what was tried.
    """
    url = os.environ.get("A3S_POWER_URL")
    if url:
        return server_at(url, os.environ.get("A3S_POWER_TOKEN"), "set by A3S_POWER_URL")
    runtime_dir = Path(jupyter_runtime_dir())
    rejected = ["A3S_POWER_URL is not set"]
    server = _server_of_this_kernel(runtime_dir, rejected, timeout=timeout)
    if server:
        return msgspec.structs.replace(server, found="the server that started this kernel")
    server = find_running_server(runtime_dir, rejected, timeout=timeout)
    if server:
        return msgspec.structs.replace(server, found="a running server of yours")
    if start:
        server = shared_server(runtime_dir)
        return msgspec.structs.replace(server, found="a headless server started for this kernel")
    reasons = "; ".join(dict.fromkeys(reason.rstrip(".") for reason in rejected))
    raise ServerNotFound(
        f"No Jupyter server with a3s-power-jupyter was found ({reasons}; no other runtime file in "
        f"{runtime_dir}). Start one with `jupyter lab` or `jupyter power`, or choose one: "
        "connect(url, token), or the environment variables A3S_POWER_URL and A3S_POWER_TOKEN."
    )


def _server_of_this_kernel(
    runtime_dir: Path, rejected: list[str], *, timeout: float
) -> Server | None:
    for pid in _parent_pids():
        try:
            server = read_server(runtime_file(runtime_dir, pid))
            check_health(server, timeout=timeout)
        except FileNotFoundError:
            continue
        except ConnectionLost:  # it is busy
            return server
        except PowerError as error:  # such as the file of a former process with this id
            rejected.append(error.message)
            continue
        return server
    rejected.append("this process was not started by a server with the extension")
    return None


def _parent_pids() -> Iterator[int]:
    """Yield the ids of processes that may have started this kernel, nearest first.

    jupyter_client sets ``JPY_PARENT_PID``, which on Windows is a handle, not a process id. The
    ancestors cover launchers between server and kernel, and IPython in a JupyterLab terminal.
    """
    parent = os.environ.get("JPY_PARENT_PID", "")
    if parent.isdecimal() and os.name == "posix" and psutil.pid_exists(int(parent)):
        yield int(parent)
    for process in psutil.Process().parents():
        yield process.pid
