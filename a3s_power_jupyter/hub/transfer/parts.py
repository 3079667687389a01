"""Which bytes of a file are here, and who fetches the others."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Bytes ``[start, end)``.
Range = tuple[int, int]

#: Bytes that one request asks for. Less, and the time between two requests shows; more, and a
#: slow connection holds up the hash, which goes in order.
SMALLEST = 2 << 20
LARGEST = 64 << 20

#: Seconds: a connection that needs longer for its rest than `SLOW` gives half of it away, if
#: that is `WORTH` a request, and one that was silent for `SILENT` gives all.
SLOW, SILENT = 2.0, 5.0
WORTH = 512 << 10


@dataclass(eq=False)
class Part:
    """Bytes that one connection fetches in order; those before `position` are on disk.

    `slot` numbers the parts of a file. `end` moves down when another connection takes over
    the rest. `begun` and `heard` are monotonic seconds: of the claim, and of the last bytes.
    """

    slot: int
    start: int
    position: int
    end: int
    begun: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        return self.end - self.position


class Parts:
    """The parts of one file, shared by its connections and its hasher. Safe among threads.

    Parameters
    ----------
    size : bytes of the file.
    present : ranges that are on disk; they may touch and overlap.
    """

    def __init__(self, size: int, present: Iterable[Range] = ()) -> None:
        self.size = size
        self._changed = threading.Condition()
        self._present = merged(present)
        self._active: set[Part] = set()
        self._slots = len(self._present)
        self._completed = sum(end - start for start, end in self._present)
        self._awaited = size  # the frontier that a `wait_beyond` waits for

    @property
    def completed(self) -> int:
        """Bytes on disk."""
        return self._completed

    @property
    def complete(self) -> bool:
        return self._completed == self.size

    def present(self) -> list[Range]:
        """What is on disk, in order, as few ranges as can be."""
        with self._changed:
            return self._on_disk()

    def claim(self, connections: int) -> Part | None:
        """A part to fetch; None when all were handed out.

        They are handed out front to back, so that the hash can follow, and get smaller towards
        the end, so that `connections` of equal speed end together.
        """
        with self._changed:
            gaps = self._gaps()
            unclaimed = sum(end - start for start, end in gaps)
            wanted = min(max(unclaimed // (2 * connections), SMALLEST), LARGEST)
            if not gaps:
                return None
            start, end = gaps[0]
            # What would remain must be worth a request of its own.
            stop = end if end - start < wanted + SMALLEST // 2 else start + wanted
            return self._hand_out(start, stop)

    def relieve(self, now: float) -> Part | None:
        """What a slow or silent connection should not have to fetch; None if there is no such.

        Parameters
        ----------
        now : monotonic seconds.
        """
        with self._changed:
            slowest = max(self._active, key=lambda part: _expected(part, now), default=None)
            if slowest is None or _expected(slowest, now) < SLOW:
                return None
            if now - slowest.heard > SILENT:
                start = slowest.position
            elif slowest.left >= 2 * WORTH:
                start = slowest.position + slowest.left // 2
            else:
                return None
            end, slowest.end = slowest.end, start
            return self._hand_out(start, end)

    def claim_rest(self, start: int) -> Part | None:
        """The first stretch at or after `start` that is nobody's: for a server that ignores
        ranges, and sends everything."""
        with self._changed:
            for gap_start, gap_end in self._gaps():
                if gap_start >= start:
                    return self._hand_out(gap_start, gap_end)
            return None

    def release(self, part: Part) -> None:
        """Whoever fetched `part` is done with it; what it did not fetch is free again."""
        with self._changed:
            self._active.discard(part)
            self._present = merged([*self._present, (part.start, part.position)])

    def advance(self, part: Part, number: int) -> None:
        """`number` more bytes of `part` are on disk. Those beyond its end, which moved while they
        were on their way, are another's to count."""
        with self._changed:
            number = min(number, part.left)
            part.heard = time.monotonic()
            part.position += number
            self._completed += number
            if self._frontier() >= self._awaited:
                self._changed.notify_all()

    def wait_beyond(self, position: int, step: int, timeout: float) -> int:
        """The end of what is on disk without a gap from 0 on.

        Waits up to `timeout` seconds for it to be `step` beyond `position`, or at the end. For
        one thread only.
        """
        with self._changed:
            self._awaited = min(position + step, self.size)
            self._changed.wait_for(lambda: self._frontier() >= self._awaited, timeout)
            return self._frontier()

    def _hand_out(self, start: int, end: int) -> Part:
        part = Part(self._slots, start, start, end)
        self._slots += 1
        self._active.add(part)
        return part

    def _on_disk(self) -> list[Range]:
        return merged([*self._present, *((part.start, part.position) for part in self._active)])

    def _frontier(self) -> int:
        start, end = next(iter(self._on_disk()), (0, 0))
        return end if start == 0 else 0

    def _gaps(self) -> list[Range]:
        """What is neither on disk nor being fetched, in order."""
        gaps, at = [], 0
        taken = [*self._present, *((part.start, part.end) for part in self._active)]
        for start, end in merged(taken):
            if start > at:
                gaps.append((at, start))
            at = end
        return gaps if at >= self.size else [*gaps, (at, self.size)]


def _expected(part: Part, now: float) -> float:
    """Seconds until a part is whole, if it goes on as it went; a part needs time to show."""
    elapsed = now - part.begun
    if elapsed < SLOW / 2 or not part.left:
        return 0.0
    done = part.position - part.start
    return part.left * elapsed / done if done and now - part.heard <= SILENT else math.inf


def merged(ranges: Iterable[Range]) -> list[Range]:
    """`ranges` in order, with those joined that touch or overlap, and empty ones left out."""
    result: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result
