"""Format of the runtime file, which contains the server's address and key for kernels.

The server writes ``a3s-power-<pid>.json`` to the Jupyter runtime directory, and kernels of the
same user read it::

    {"pid": 4711, "hostname": "lab", "url": "http://127.0.0.1:8888/user/ada/", "key": "...",
     "version": "0.1.0", "headless": false, "machine": "...", "certfile": "...", "sock": "..."}
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from .machine import is_this_machine

#: Only the owner may read or write the file, because it contains the key.
FILE_MODE = 0o600

FILE_PATTERN = "a3s-power-*.json"

#: Bytes that are read of a file.
MAX_FILE_SIZE = 1 << 20


class RuntimeInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Content of a runtime file.

    Attributes
    ----------
    machine : str or None
        The server's `machine.machine_id`; None for an older server.
    url : str
        Address of the server, including its base URL and a trailing slash.
    key : str
        Bearer token for the routes of this extension, and for no other route.
    headless : bool
        Whether the server was started without JupyterLab, by ``jupyter power``.
    certfile : str or None
        TLS certificate of the server; None for HTTP.
    sock : str or None
        Path of the Unix socket that the server listens on; None for TCP.
    """

    pid: int
    hostname: str
    url: str
    key: str
    version: str
    headless: bool
    certfile: str | None = None
    sock: str | None = None
    machine: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether the server runs on this machine, so that its process id is valid here."""
        return is_this_machine(self.hostname, self.machine)


def runtime_file(runtime_dir: Path, pid: int) -> Path:
    """Return the path of the runtime file of the server with process id `pid`."""
    return runtime_dir / f"a3s-power-{pid}.json"
