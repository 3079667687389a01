"""Write and remove the runtime files of servers (`contract.runtime_info`)."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
from pathlib import Path

import msgspec
import psutil
from jupyter_core.paths import jupyter_runtime_dir

from ..contract.runtime_info import FILE_MODE, FILE_PATTERN, RuntimeInfo, runtime_file


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
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            info = msgspec.json.decode(path.read_bytes(), type=RuntimeInfo)
            if info.hostname == socket.gethostname() and not psutil.pid_exists(info.pid):
                path.unlink(missing_ok=True)


def _runtime_file(pid: int) -> Path:
    return runtime_file(Path(jupyter_runtime_dir()), pid)
