"""Create, check and list the directories of the store."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .os_errors import obstacle

#: Only the owner has access to what is created in the store, as in `files.FILE_MODE`.
DIRECTORY_MODE = 0o700


@contextmanager
def directory_entries(directory: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Iterate over a directory of the store, which the first write to it creates.

    Raises
    ------
    OSError
        If it cannot be read, or cannot be created because of an `obstacle`.
    """
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        if obstacle(directory) is not None:
            raise
        yield iter(())
    else:
        with entries:
            yield entries


def check_writable(directory: Path) -> None:
    """Check that files can be created in a directory, or that the directory can be created.

    Raises
    ------
    OSError
        If the operating system would refuse that.
    """
    with directory_entries(directory):
        pass
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    effective = os.access in os.supports_effective_ids
    if os.access(existing, os.W_OK | os.X_OK, effective_ids=effective):
        return
    is_read_only = sys.platform != "win32" and os.statvfs(existing).f_flag & os.ST_RDONLY
    number = errno.EROFS if is_read_only else errno.EACCES
    raise OSError(number, os.strerror(number), str(existing))


def make_directory(path: Path) -> None:
    """Create a directory and its missing parents, for this user only, if it does not exist."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        with suppress(FileExistsError):  # another process is faster
            directory.mkdir(mode=DIRECTORY_MODE)
            directory.chmod(DIRECTORY_MODE)  # regardless of the umask
    path.mkdir(exist_ok=True)  # raises if it is a file


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` survive a power failure."""
    if sys.platform == "win32":
        return  # Windows cannot open a directory, and NTFS journals renames
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
