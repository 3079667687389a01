"""Limit the space on disk that the states of earlier requests take, for all models together."""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..store.blobs import HEADROOM
from ..store.files import TEMPORARY_PREFIX

log = logging.getLogger("a3s_power_jupyter.worker")


@dataclass(frozen=True)
class PromptFile:
    """A file, its size in bytes, and the Unix time at which it was last used."""

    path: Path
    size: int
    used: float


class Space:
    """The files of all models.

    Parameters
    ----------
    root : Path
        The folder with the folders of all models.
    limit : int
        Bytes that the files may have together.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._files = {file.path: file for file in _all_files(root)}

    def make(self, size: int, used: float) -> bool:
        """Remove files that were last used before `used` until there is room for `size` bytes.

        Return whether there is, within the limit and on the disk. If there cannot be, nothing is
        removed.
        """
        older = [file for file in self._files.values() if file.used < used]
        missing = max(
            self._total + size - self._limit,
            HEADROOM + size - shutil.disk_usage(self._root).free,
        )
        if sum(file.size for file in older) < missing:
            return False
        self._remove_oldest(older, missing)
        return True

    def trim(self) -> None:
        """Remove the least recently used files that exceed the limit, which may be a new one."""
        with suppress(OSError):  # the disk is read-only
            self._remove_oldest(list(self._files.values()), self._total - self._limit)

    def add(self, path: Path, size: int, used: float) -> None:
        """Count a new file."""
        self._files[path] = PromptFile(path, size, used)

    @property
    def _total(self) -> int:
        return sum(file.size for file in self._files.values())

    def _remove_oldest(self, files: list[PromptFile], size: int) -> None:
        """Remove files until `size` bytes are free."""
        for file in sorted(files, key=lambda file: file.used):
            if size <= 0:
                return
            self.remove(file.path)
            size -= file.size

    def remove(self, path: Path) -> None:
        """Remove a file, which another server may have removed."""
        path.unlink(missing_ok=True)
        self._files.pop(path, None)


def prompts_in(folder: Path) -> Iterator[PromptFile]:
    """Yield the complete files in a folder, and remove links and pipes with the name of one."""
    return (file for file in _files_in(folder) if not _is_temporary(file.path.name))


def remove(path: Path, reason: object) -> None:
    """Remove a file that cannot be used."""
    log.warning("Removed the warm prompt %s: %s", path, reason)
    with suppress(OSError):
        path.unlink()


def _all_files(root: Path) -> Iterator[PromptFile]:
    for model in _subfolders(root):
        for folder in _subfolders(model):
            yield from _files_in(folder)


def _subfolders(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:  # usually, it does not exist
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def _files_in(folder: Path) -> Iterator[PromptFile]:
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError:  # usually, it does not exist
        return
    for entry in entries:
        if not (entry.name.endswith(".prompt") or _is_temporary(entry.name)):
            continue
        with suppress(OSError):  # it is gone
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield PromptFile(Path(entry.path), status.st_size, status.st_mtime)
            elif not stat.S_ISDIR(status.st_mode):
                remove(Path(entry.path), "it is not a regular file")


def _is_temporary(name: str) -> bool:
    return name.startswith(TEMPORARY_PREFIX)
