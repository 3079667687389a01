"""Measure the progress of a pull and report its status to the server."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.types import PulledFile, PullStatus
from ..http.retries import Retry
from ..resolve.plan import Plan
from ..resolve.repository import RemoteFile
from .parts import Parts

#: Seconds over which the rate is averaged. It is 0 once nothing has arrived for so long, and
#: unknown from the start to the first byte.
RATE_WINDOW = 3.0
#: Seconds between two reports while bytes arrive, and while the download is stalled.
INTERVAL, STALLED_INTERVAL = 0.1, 1.0


class Progress:
    """The bytes on disk; written by the thread that pulls and read by the one that reports.

    Attributes
    ----------
    phase : str
        ``waiting`` while another process fetches the current file.
    total : int
        Bytes of all files.
    """

    def __init__(self, files: Iterable[RemoteFile]) -> None:
        self.phase: Literal["waiting", "downloading"] = "downloading"
        self._by_url = {file.url: 0 for file in files}
        self.total = sum(file.size for file in files)
        self._current: tuple[str, Parts] | None = None
        self._highest = 0

    @property
    def completed(self) -> int:
        """Bytes on disk; never decreases."""
        self._highest = max(self._highest, min(sum(self.files), self.total))
        return self._highest

    @property
    def files(self) -> tuple[int, ...]:
        """Bytes on disk of each file."""
        by_url = self._by_url
        if self._current is not None:
            url, parts = self._current
            by_url = by_url | {url: parts.completed}
        return tuple(by_url.values())

    def set(self, file: RemoteFile, completed: int) -> None:
        """Record the bytes of a file that this process is not fetching."""
        self._by_url = self._by_url | {file.url: completed}
        self._current = None

    def follow(self, file: RemoteFile, parts: Parts) -> None:
        """Count the bytes of the file that is being fetched."""
        self._current = (file.url, parts)


class Reporter:
    """Emit the status of a pull whenever it changes.

    The thread that pulls reports each step; another thread calls `tick` every `INTERVAL` seconds.

    Parameters
    ----------
    status : PullStatus
        Status at the start of the pull.
    emit : callable
        Sends a status to the server.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        status: PullStatus,
        emit: Callable[[PullStatus], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._note = status.note
        self._emit = emit
        self._clock = clock
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._retry: Retry | None = None
        self._points: deque[tuple[float, int]] = deque()
        self._arrived_at = 0.0
        self._reported_at = 0.0
        self._ended = False

    def resolving(self) -> None:
        """Report that the hub is being asked for the files."""
        with self._lock:
            self._progress = self._retry = None
            self._reported_at = self._clock()
            self._report(phase="resolving", revision=UNSET, resumed_from=UNSET)

    def planned(self, plan: Plan, progress: Progress) -> None:
        """Report the files to fetch, and follow their progress."""
        files = tuple(PulledFile(file.path, file.size) for file in plan.files)
        with self._lock:
            self._progress, self._retry = progress, None
            self._measure_from(progress.completed)
            self._reported_at = float("-inf")
            self._note = UNSET if plan.note is None else plan.note
            self._report(
                phase="resolving",
                revision=plan.revision,
                total=plan.size,
                files=files if len(files) > 1 else UNSET,
            )

    def resuming(self) -> None:
        """Report the bytes that are already on disk, if any."""
        with self._lock:
            completed = 0 if self._progress is None else self._progress.completed
            if completed:
                self._measure_from(completed)
                self._report_bytes(phase="downloading", resumed_from=completed)

    def retrying(self, retry: Retry | None) -> None:
        """Report by ticks that a request failed and will be repeated, until bytes arrive.

        None ends the reports for requests that are not downloads.
        """
        with self._lock:
            if retry is None and self._retry is not None and self._status.phase == "waiting":
                self._report(phase="resolving")
            self._retry = retry

    def tick(self) -> None:
        """Report the bytes on disk if their number has changed or the last report is old."""
        with self._lock:
            if self._ended or self._status.phase == "verifying":
                return
            if self._progress is None:
                self._tick_without_progress()
            else:
                self._tick(self._progress)

    def _tick_without_progress(self) -> None:
        now = self._clock()
        if self._retry is not None and now - self._reported_at >= STALLED_INTERVAL:
            self._reported_at = now
            self._report(phase="waiting", note=self._retry.note(now))

    def _tick(self, progress: Progress) -> None:
        now, completed = self._clock(), progress.completed
        self._points.append((now, completed))
        while len(self._points) > 2 and now - self._points[0][0] > RATE_WINDOW:
            self._points.popleft()
        if completed != self._status.completed:
            self._retry, self._arrived_at = None, now
        elif now - self._reported_at < STALLED_INTERVAL:
            return
        self._reported_at = now
        if completed == progress.total:
            self._report_bytes(phase="verifying")
        elif progress.phase == "waiting":
            note = "Another pull is downloading the same file."
            self._report_bytes(phase="waiting", note=note)
        elif self._retry is not None:
            self._report_bytes(phase="waiting", note=self._retry.note(now))
        else:
            rate = self._rate(now)
            eta = (progress.total - completed) / rate if rate else UNSET
            self._report_bytes(phase="downloading", bytes_per_second=rate, eta_seconds=eta)

    def done(self, created: int) -> None:
        """Report that the model is registered; `created` is the time in its manifest."""
        with self._lock:
            if self._status.phase != "verifying":  # the job ended between two ticks
                self._report_bytes(phase="verifying")
            self._end(self._status.ended("done", created=created))

    def failed(self, error: dict[str, object]) -> None:
        """Report an error, as `PowerError.to_wire` returns it."""
        with self._lock:
            self._end(self._measured().ended("failed", error=error))

    def paused(self) -> None:
        with self._lock:
            self._end(self._measured().ended("paused"))

    def _end(self, status: PullStatus) -> None:
        """Emit the last status, unless there was one before."""
        self._send(status)
        self._ended = True

    def _send(self, status: PullStatus) -> None:
        if not self._ended:
            self._emit(status)

    def _report_bytes(self, **changes: object) -> None:
        self._status = self._measured()
        self._report(**changes)

    def _report(self, **changes: object) -> None:
        """Emit the status with `changes`; a rate, a time and a note are valid for one report."""
        momentary = {"bytes_per_second": UNSET, "eta_seconds": UNSET, "note": self._note}
        self._status = msgspec.structs.replace(self._status, **momentary | changes)
        self._send(self._status)

    def _measured(self) -> PullStatus:
        """Return the status with the bytes on disk."""
        status, progress = self._status, self._progress
        if progress is None:
            return status
        files = status.files
        if files is not UNSET:
            pairs = zip(files, progress.files, strict=True)
            files = tuple(PulledFile(file.name, file.size, count) for file, count in pairs)
        return msgspec.structs.replace(
            status, completed=progress.completed, total=progress.total, files=files
        )

    def _measure_from(self, completed: int) -> None:
        self._arrived_at = self._clock()
        self._points = deque([(self._arrived_at, completed)])

    def _rate(self, now: float) -> float | UnsetType:
        """Return the rate; unset if nothing has arrived yet, but could still."""
        (then, before), (_, after) = self._points[0], self._points[-1]
        if after > before and now > then:
            return (after - before) / (now - then)
        return 0.0 if now - self._arrived_at >= RATE_WINDOW else UNSET
