"""Temporary directories that are removed after their process was killed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

#: Seconds within which a new directory is locked.
CREATION_TIME = 60.0


def remove_abandoned(temporary: Path, prefix: str) -> None:
    """Remove the directories of this user that killed processes left in `temporary`.

    They begin with `prefix`, and whoever uses one is `in_use` of it.

    A process that is killed, or ended because its server was, cannot remove its own.
    """
    if sys.platform == "win32":
        return
    for directory in temporary.glob(f"{prefix}*"):
        with suppress(OSError):
            status = directory.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
            if is_ours and time.time() - status.st_mtime > CREATION_TIME:
                with in_use(directory):
                    shutil.rmtree(directory)


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Hold a lock on a directory, which the operating system releases if the process exits.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
