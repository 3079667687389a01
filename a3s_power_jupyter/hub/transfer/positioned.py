"""A file that several threads read and write at places of their own."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path


class PositionedFile:
    """A file open for reading and writing; made where there is none."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o666)
        self._lock = threading.Lock()  # of the file's one position, where there is no other way

    def write(self, data: memoryview | bytes, offset: int) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            written = self._write(rest, offset)
            rest, offset = rest[written:], offset + written

    def read(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the file."""
        if sys.platform != "win32":
            return os.pread(self._descriptor, length, offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)

    def sync(self) -> None:
        """Have what was written on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, data: memoryview, offset: int) -> int:
        if sys.platform != "win32":
            return os.pwrite(self._descriptor, data, offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, data)
