"""A model's directory as its libraries want it: files under their own names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .protocol import Load


@contextmanager
def model_directory(load: Load) -> Iterator[Path]:
    """A directory with exactly the files of the manifest, for as long as the context lasts.

    They are links: blobs have no names of their own, and a directory registered in place may
    hold code and pickles, which nothing that loads a model gets to see.

    Raises
    ------
    OSError
        No links can be made in the directory for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix="a3s-power-") as created:
        directory = Path(created)
        for name, path in zip(load.names, load.paths, strict=True):
            link = directory / name
            link.parent.mkdir(parents=True, exist_ok=True)
            _link(Path(path), link)
        yield directory


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # Windows lets not everybody make symbolic links
        os.link(path, link)
