"""List folders of other programs, within a budget and without leaving them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .budget import MAX_DEPTH, Budget


class Folders:
    """Lists folders. What cannot be read is skipped and remembered.

    Links to folders are not followed, so a walk ends. Links to files are: the cache of the hub
    consists of them.

    Attributes
    ----------
    unreadable : list of (Path, str)
        Folders that could not be read, and manifests of models that cannot be used, and why.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.unreadable: list[tuple[Path, str]] = []

    def entries(self, folder: Path) -> tuple[list[str], list[str]]:
        """Return the sorted names of the folders and of the other entries in a folder."""
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.budget.entry()
                    if not _is_text(entry.name):
                        continue
                    into = folders if entry.is_dir(follow_symlinks=False) else others
                    into.append(entry.name)
        except OSError as error:
            self.unreadable.append((folder, error.strerror or str(error)))
        return sorted(folders), sorted(others)

    def walk(self, folder: Path, depth: int = MAX_DEPTH) -> Iterator[tuple[Path, list[str]]]:
        """Yield a folder and those in it, each with the names of its files."""
        folders, others = self.entries(folder)
        yield folder, others
        if depth > 0:
            for name in folders:
                if not name.startswith("."):
                    yield from self.walk(folder / name, depth - 1)


def _is_text(name: str) -> bool:
    """Return whether a name can be part of JSON, and be shown."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable()
