"""A service for tests whose disk hangs: no operation on it returns, as on a dead network disk.

The disk is the folder of the environment variable ``HUNG_DISK``. It hangs while a file with the
suffix ``.hung`` is next to it.
"""

from __future__ import annotations

import builtins
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from a3s_power_jupyter.service import PowerService
from a3s_power_jupyter.store import manifest

#: Seconds to wait for the disk, in place of `manifest.READ_TIMEOUT`.
READ_TIMEOUT = 3.0

_FUNCTIONS = (
    "link", "listdir", "lstat", "mkdir", "open", "readlink", "remove", "rename", "replace",
    "rmdir", "scandir", "stat", "symlink", "unlink",
)  # fmt: skip


def _install(disk: str) -> None:
    lstat = os.lstat

    def is_hung(path: Any) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        if not os.fsdecode(path).startswith(f"{disk}{os.sep}") and os.fsdecode(path) != disk:
            return False
        try:
            lstat(f"{disk}.hung")
        except FileNotFoundError:
            return False
        return True

    def hanging(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if args and is_hung(args[0]):
                threading.Event().wait()
            return function(*args, **kwargs)

        return call

    for name in _FUNCTIONS:
        setattr(os, name, hanging(getattr(os, name)))
    builtins.open = io.open = hanging(open)


class HungDiskService(PowerService):
    def __init__(self, *args: Any) -> None:
        _install(os.environ["HUNG_DISK"])
        manifest.READ_TIMEOUT = READ_TIMEOUT
        super().__init__(*args)


def hang(disk: Path) -> None:
    Path(f"{disk}.hung").touch()


def recover(disk: Path) -> None:
    """Let new operations succeed; those in progress do not return."""
    Path(f"{disk}.hung").unlink()
