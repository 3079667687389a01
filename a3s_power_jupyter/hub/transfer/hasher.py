"""The hash of a file that is being written: in order, right behind those who write it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..resolve.plan import RemoteFile
from .parts import Parts

#: Bytes hashed at once. They were just written, so they come from memory.
CHUNK = 1 << 20
#: Seconds after which it looks whether it is still wanted.
LOOK = 0.2


@dataclass(frozen=True)
class Digest:
    """`sha256` in hex; whether the file `is_right` is what the hub states."""

    sha256: str
    is_right: bool


class Hasher:
    """Hashes on a thread of its own, which runs when this is made.

    Parameters
    ----------
    read : gives up to so many bytes at an offset.
    """

    def __init__(self, file: RemoteFile, parts: Parts, read: Callable[[int, int], bytes]) -> None:
        self._file = file
        self._parts = parts
        self._read = read
        self._sha256 = hashlib.sha256()
        # Of small files the hub states what git does.
        self._blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="power-hasher", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for its end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Give up, and wait for the thread."""
        self._stopped.set()
        self._thread.join()

    def result(self) -> Digest:
        """What came out of a file that is whole.

        Raises
        ------
        OSError
            The file could not be read.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if isinstance(self._file.sha256, str):
            is_right = self._sha256.hexdigest() == self._file.sha256
        else:
            is_right = self._blob.hexdigest() == self._file.blob_id
        return Digest(self._sha256.hexdigest(), is_right)

    def _run(self) -> None:
        try:
            self._hash()
        except Exception as error:  # raised again by `result`
            self._error = error

    def _hash(self) -> None:
        done = 0
        while done < self._parts.size and not self._stopped.is_set():
            here = self._parts.wait_beyond(done, CHUNK, LOOK)
            while done < here and not self._stopped.is_set():
                data = self._read(min(CHUNK, here - done), done)
                if not data:
                    raise OSError("a partial file became shorter than what was written to it")
                self._sha256.update(data)
                if not isinstance(self._file.sha256, str):
                    self._blob.update(data)
                done += len(data)
