"""Read the start of a file on the hub as if it were on disk."""

from __future__ import annotations

import time

from ...contract.errors import HubError
from ..resolve.hub_api import HubApi
from ..resolve.repository import RemoteFile, Repository

#: Bytes of the first request, and of the largest. A header has 1 to 15 MB, most of it vocabulary.
FIRST = 2 << 20
LARGEST = 8 << 20

#: Most bytes that are read of a file.
MAX_START = 32 << 20


class RemoteStart:
    """The first bytes of a file, fetched as they are read.

    Parameters
    ----------
    due : float
        Monotonic seconds after which nothing more is fetched.

    Raises
    ------
    HubError, HubUnauthorized
        By `read`, if they cannot be fetched in time, or are more than `MAX_START`.
    """

    def __init__(
        self, hub: HubApi, repository: Repository, file: RemoteFile, *, due: float
    ) -> None:
        self._hub = hub
        self._repository = repository
        self._file = file
        self._due = due
        self._fetched = bytearray()
        self._at = 0
        self._next = FIRST

    def seek(self, offset: int, /) -> int:
        self._at = offset
        return offset

    def read(self, size: int, /) -> bytes:
        end = min(self._at + size, self._file.size)
        while len(self._fetched) < end:
            self._fetch(end)
        found = bytes(self._fetched[self._at : end])
        self._at += len(found)
        return found

    def _fetch(self, end: int) -> None:
        start = len(self._fetched)
        if time.monotonic() > self._due:
            raise HubError(
                "The hub takes too long to send the headers of all models. Try again.",
                reason="unreachable",
            )
        if end > MAX_START:
            raise HubError(f"The header of {self._file.path} has more than {MAX_START >> 20} MiB.")
        length = min(max(self._next, end - start), MAX_START - start, self._file.size - start)
        self._next = min(2 * self._next, LARGEST)
        part = self._hub.range(self._repository, self._file, start, length)
        if len(part) != length:
            raise HubError(
                f"The hub sends {len(part):,} instead of {length:,} bytes of {self._file.path}."
            )
        self._fetched += part
