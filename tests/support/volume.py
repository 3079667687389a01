"""A small volume for tests, which can be filled and made read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_mount = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux may mount a tmpfs"
)


@contextmanager
def volume(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of `size` (``20m``) on `folder`, or skip the test."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "a3s-power-test", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        unmount = ["umount", "--lazy", str(folder)]
        subprocess.run(unmount, check=True)


def set_read_only(folder: Path, read_only: bool) -> None:
    """Remount a volume."""
    remount = ["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(folder)]
    subprocess.run(remount, check=True)
