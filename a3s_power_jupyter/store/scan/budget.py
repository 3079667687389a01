"""Limit the work of a scan, whatever is in the folders."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Most entries of folders that a scan looks at, models that it lists, and seconds that it begins
#: to read further headers. A header is limited by itself, to about two seconds.
MAX_ENTRIES = 50_000
MAX_MODELS = 500
MAX_SECONDS = 15.0

#: Deepest folder below the place of a repository.
MAX_DEPTH = 5


class ScanStopped(Exception):
    """A limit is reached; the text says which."""


class Budget:
    """What is left to a scan of one place."""

    def __init__(
        self,
        *,
        entries: int = MAX_ENTRIES,
        models: int = MAX_MODELS,
        seconds: float = MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries = entries
        self._models = models
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def entry(self) -> None:
        """Count an entry of a folder. Raises `ScanStopped`."""
        self._entries -= 1
        if self._entries < 0:
            raise ScanStopped("There are too many files. The rest was not looked at")
        self._check_time()

    def model(self) -> None:
        """Count a file or directory to be read. Raises `ScanStopped`."""
        self._models -= 1
        if self._models < 0:
            raise ScanStopped("There are too many models. The rest was not looked at")
        self._check_time()

    def _check_time(self) -> None:
        if self._clock() > self._end:
            raise ScanStopped(
                f"The files could not be read within {self._seconds:g} seconds. The rest was not "
                "looked at"
            )
