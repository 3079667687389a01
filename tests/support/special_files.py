"""Create files that are not regular: pipes, sockets, directories and links to devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KINDS = ("pipe", "socket", "directory", "endless device")


def make_special(path: Path, kind: str) -> None:
    """Create a file of one of `KINDS`. Reading a pipe blocks, and reading the device never ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
