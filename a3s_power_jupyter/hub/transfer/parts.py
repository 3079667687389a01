"""Track which bytes of a file are on disk and assign the missing ones to connections."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Bytes ``[start, end)``.
Range = tuple[int, int]

#: Bytes of one request. With smaller requests the time between two of them becomes noticeable;
#: with larger ones a slow connection delays the hash, which proceeds in order.
SMALLEST = 2 << 20
LARGEST = 64 << 20

#: Seconds. If a connection is expected to need more than `SLOW` for the rest of its part, half of
#: the rest is reassigned, unless that is less than `MIN_REASSIGNED` bytes. If it received nothing
#: for `STALLED`, all of the rest is.
SLOW, STALLED = 2.0, 5.0
MIN_REASSIGNED = 512 << 10


@dataclass(eq=False)
class Part:
    """Bytes that one connection fetches in order.

    Attributes
    ----------
    slot : int
        Number of the part within its file.
    start, position, end : int
        Offsets in the file; the bytes before `position` are on disk. `end` decreases when the
        rest is reassigned to another connection.
    started_at, received_at : float
        Monotonic seconds of the assignment and of the last bytes.
    """

    slot: int
    start: int
    position: int
    end: int
    started_at: float = field(default_factory=time.monotonic)
    received_at: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        return self.end - self.position


class Parts:
    """The parts of one file, shared by the threads of its connections and its hasher.

    Parameters
    ----------
    size : int
        Bytes of the file.
    present : iterable of Range
        Ranges on disk; they may touch and overlap.
    """

    def __init__(self, size: int, present: Iterable[Range] = ()) -> None:
        self.size = size
        self._changed = threading.Condition()
        self._present = merged(present)
        self._active: set[Part] = set()
        self._slots = len(self._present)
        self._completed = sum(end - start for start, end in self._present)
        self._awaited = size  # the offset that `wait_beyond` waits for

    @property
    def completed(self) -> int:
        """Bytes on disk."""
        return self._completed

    @property
    def complete(self) -> bool:
        return self._completed == self.size

    def present(self) -> list[Range]:
        """Return the ranges on disk, merged and in order."""
        with self._changed:
            return self._on_disk()

    def assign(self, connections: int) -> Part | None:
        """Return a part to fetch; None if nothing is unassigned.

        Parts are assigned front to back, so that the hash can follow, and get smaller towards the
        end, so that `connections` of equal speed finish together.
        """
        with self._changed:
            gaps = self._gaps()
            unassigned = sum(end - start for start, end in gaps)
            wanted = min(max(unassigned // (2 * connections), SMALLEST), LARGEST)
            if not gaps:
                return None
            start, end = gaps[0]
            # Leave no rest that is too small for a request.
            stop = end if end - start < wanted + SMALLEST // 2 else start + wanted
            return self._add(start, stop)

    def reassign(self, now: float) -> Part | None:
        """Take a part from the slowest connection; None if no connection is slow.

        Parameters
        ----------
        now : float
            Monotonic seconds.
        """
        with self._changed:
            slowest = max(self._active, key=lambda part: _expected(part, now), default=None)
            if slowest is None or _expected(slowest, now) < SLOW:
                return None
            if now - slowest.received_at > STALLED:
                start = slowest.position
            elif slowest.left >= 2 * MIN_REASSIGNED:
                start = slowest.position + slowest.left // 2
            else:
                return None
            end, slowest.end = slowest.end, start
            return self._add(start, end)

    def assign_from(self, start: int) -> Part | None:
        """Return the first unassigned gap that begins at or after `start`.

        For a server that ignores ranges and sends the whole file.
        """
        with self._changed:
            for gap_start, gap_end in self._gaps():
                if gap_start >= start:
                    return self._add(gap_start, gap_end)
            return None

    def release(self, part: Part) -> None:
        """End an assignment; the bytes that were not fetched become unassigned."""
        with self._changed:
            self._active.discard(part)
            self._present = merged([*self._present, (part.start, part.position)])

    def advance(self, part: Part, count: int) -> None:
        """Record `count` more bytes of `part` on disk.

        Bytes after the part's end, which may have decreased meanwhile, are not counted: they
        belong to another part.
        """
        with self._changed:
            count = min(count, part.left)
            part.received_at = time.monotonic()
            part.position += count
            self._completed += count
            if self._contiguous() >= self._awaited:
                self._changed.notify_all()

    def wait_beyond(self, position: int, step: int, timeout: float) -> int:
        """Return the number of contiguous bytes on disk from the start of the file.

        Waits up to `timeout` seconds until it exceeds `position` by `step` bytes or reaches the
        end of the file. Only one thread may wait.
        """
        with self._changed:
            self._awaited = min(position + step, self.size)
            self._changed.wait_for(lambda: self._contiguous() >= self._awaited, timeout)
            return self._contiguous()

    def _add(self, start: int, end: int) -> Part:
        part = Part(self._slots, start, start, end)
        self._slots += 1
        self._active.add(part)
        return part

    def _on_disk(self) -> list[Range]:
        return merged([*self._present, *((part.start, part.position) for part in self._active)])

    def _contiguous(self) -> int:
        start, end = next(iter(self._on_disk()), (0, 0))
        return end if start == 0 else 0

    def _gaps(self) -> list[Range]:
        """Return the ranges that are neither on disk nor assigned, in order."""
        gaps, offset = [], 0
        assigned = [(part.start, part.end) for part in self._active]
        for start, end in merged([*self._present, *assigned]):
            if start > offset:
                gaps.append((offset, start))
            offset = end
        return gaps if offset >= self.size else [*gaps, (offset, self.size)]


def _expected(part: Part, now: float) -> float:
    """Return the seconds until a part is complete at its present rate; 0 for a new part."""
    elapsed = now - part.started_at
    if elapsed < SLOW / 2 or not part.left:
        return 0.0
    received = part.position - part.start
    if not received or now - part.received_at > STALLED:
        return math.inf
    return part.left * elapsed / received


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return `ranges` in order, joining adjacent and overlapping ones and dropping empty ones."""
    result: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result
