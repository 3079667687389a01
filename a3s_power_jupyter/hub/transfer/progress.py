"""How far a pull is, and how the server is told."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from ..protocol import Downloading, Event, Verifying, Waiting
from ..resolve.plan import RemoteFile
from .parts import Parts

#: Seconds over which the rate is taken. So long after the last byte it is 0.
WINDOW = 3.0
#: Seconds between two reports while bytes come, and while none do.
OFTEN, SELDOM = 0.1, 1.0

Phase = Literal["waiting", "working"]


class Progress:
    """Written by the thread that pulls, read by the one that reports.

    Attributes
    ----------
    phase : whether another process is at it, or this one.
    total : bytes of all files.
    """

    def __init__(self, files: Iterable[RemoteFile]) -> None:
        self.phase: Phase = "working"
        self._here = {file.url: 0 for file in files}
        self.total = sum(file.size for file in files)
        self._current: tuple[str, Parts] | None = None
        self._most = 0

    @property
    def completed(self) -> int:
        """Bytes that are here; never less than it was."""
        self._most = max(self._most, min(sum(self.files), self.total))
        return self._most

    @property
    def files(self) -> tuple[int, ...]:
        """Bytes that are here of each file."""
        here = self._here
        if self._current is not None:
            url, parts = self._current
            here = here | {url: parts.completed}
        return tuple(here.values())

    def set(self, file: RemoteFile, number: int) -> None:
        """So many bytes of a file that is not being fetched are here."""
        self._here = self._here | {file.url: number}
        self._current = None

    def follow(self, file: RemoteFile, parts: Parts) -> None:
        """A file is being fetched."""
        self._current = (file.url, parts)


class Reporter:
    """Turns progress into events; `tick` is called every `OFTEN` seconds.

    Attributes
    ----------
    verifying : all bytes are here, and that was told.
    """

    def __init__(
        self,
        progress: Progress,
        send: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress = progress
        self._send = send
        self._clock = clock
        self._points = deque([(clock(), progress.completed)])
        self._last: tuple[float, int] | None = None
        self.verifying = False

    def tick(self) -> None:
        if self.verifying:
            return
        now, completed = self._clock(), self.progress.completed
        self._points.append((now, completed))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW:
            self._points.popleft()
        if self._last is not None and now - self._last[0] < SELDOM and completed == self._last[1]:
            return
        self._last = now, completed
        self._send(self._event(completed))

    def _event(self, completed: int) -> Event:
        total = self.progress.total
        if completed == total:
            self.verifying = True
            return Verifying()
        if self.progress.phase == "waiting":
            return Waiting(completed, total)
        rate = self._rate()
        eta = (total - completed) / rate if rate else None
        return Downloading(completed, total, rate, eta, self.progress.files)

    def _rate(self) -> float:
        (then, before), (now, after) = self._points[0], self._points[-1]
        return (after - before) / (now - then) if now > then else 0.0
