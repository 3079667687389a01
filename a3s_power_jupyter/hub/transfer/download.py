"""Fetches what is missing of one file, over several connections, until all of it is here."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...contract.errors import HubError
from .exceptions import Stopped, Transient
from .http_client import Client
from .parts import SMALLEST, Part, Parts
from .source import Body, Source

#: Bytes taken from the network at once; a killed process loses them.
READ = 256 << 10
#: Seconds between two looks of whoever waits for others.
LOOK = 0.1
#: What the disk is left behind at most.
CHECKPOINT_BYTES = 128 << 20
#: Seconds in which several refusals count as one.
CROWD_SECONDS = 5.0


@dataclass(frozen=True)
class Policy:
    """How patient a download is. Times are seconds.

    Attributes
    ----------
    connections : at once, for one file.
    stall : without a byte, after which a connection is made anew.
    attempts : of one connection, in a row and without a byte, before it gives up.
    first_wait, longest_wait : between two attempts. It doubles each time, and is blurred, so
        that connections do not return together.
    longest_retry_after : that the other side may ask for; more is an error that says so.
    checkpoint : between two moments at which what is here is made to survive a loss of power;
        it comes earlier after `CHECKPOINT_BYTES`, so that the disk works meanwhile.
    """

    connections: int = 4
    stall: float = 30.0
    attempts: int = 10
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0
    checkpoint: float = 5.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        doubled: float = self.first_wait * 2.0 ** (failures - 1)
        return min(doubled, self.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311


class Throttle:
    """How many connections the other side bears, and from when on; kept from file to file."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.not_before = 0.0  # monotonic seconds
        self._narrowed = -CROWD_SECONDS
        self._lock = threading.Lock()

    def narrow(self) -> None:
        """Halve the connections, once for refusals that come together."""
        with self._lock:
            now = time.monotonic()
            if now - self._narrowed >= CROWD_SECONDS:
                self._narrowed = now
                self.connections = max(1, self.connections // 2)

    def hold(self, seconds: float) -> None:
        with self._lock:
            self.not_before = max(self.not_before, time.monotonic() + seconds)


class Download:
    """One file on its way.

    Parameters
    ----------
    parts : what is here; the download ends when that is all.
    write : puts bytes at the position of a part.
    new_client : makes a client for each connection.
    """

    def __init__(
        self,
        source: Source,
        parts: Parts,
        write: Callable[[Part, bytes], None],
        new_client: Callable[[], Client],
        throttle: Throttle,
        policy: Policy,
    ) -> None:
        self.source = source
        self.parts = parts
        self.write = write
        self.throttle = throttle
        self.policy = policy
        self.ending = threading.Event()
        #: Held by the one connection that is sent the whole file.
        self.whole = threading.Lock()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        useful = max(1, (parts.size - parts.completed) // SMALLEST)
        number = min(throttle.connections, useful)
        self._connections = [_Connection(self, new_client()) for _ in range(number)]
        self._working = number

    def run(self, stop: threading.Event, checkpoint: Callable[[], None]) -> None:
        """Return when all is here; `checkpoint` is called now and then, and at the end.

        Raises
        ------
        Stopped
            `stop` was set.
        HubError, HubUnauthorized, ContentChanged
        OSError
            The disk does not take more.
        """
        if self.parts.complete:
            return
        threads = [
            threading.Thread(target=connection.run, name="power-download", daemon=True)
            for connection in self._connections
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(threads, stop, checkpoint)
        finally:
            self.ending.set()
            for connection in self._connections:
                connection.abort()
            for thread in threads:
                thread.join()
        if not isinstance(self._error, OSError):  # which the disk may repeat
            checkpoint()
        if self._error is not None:
            raise self._error
        if not self.parts.complete:
            raise Stopped

    def fail(self, error: BaseException) -> None:
        """End all connections; `run` raises the first error."""
        with self._lock:
            self._error = self._error or error
        self.ending.set()

    def leave(self, *, if_crowded: bool = False) -> bool:
        """Take leave of the other connections, which the last one cannot, and `if_crowded` only
        those that are too many; whether that was granted."""
        with self._lock:
            enough = self.throttle.connections if if_crowded else 1
            if self._working <= enough:
                return False
            self._working -= 1
            return True

    def _watch(
        self,
        threads: list[threading.Thread],
        stop: threading.Event,
        checkpoint: Callable[[], None],
    ) -> None:
        due, enough = self._next_checkpoint()
        while any(thread.is_alive() for thread in threads) and not self.ending.is_set():
            if stop.is_set():
                return
            self.ending.wait(LOOK)
            if time.monotonic() >= due or self.parts.completed >= enough:
                checkpoint()
                due, enough = self._next_checkpoint()

    def _next_checkpoint(self) -> tuple[float, int]:
        """The time and the bytes at which it is due, whichever comes first."""
        return time.monotonic() + self.policy.checkpoint, self.parts.completed + CHECKPOINT_BYTES


class _Connection:
    """One of the connections of a download; `run` is the target of its thread."""

    def __init__(self, download: Download, client: Client) -> None:
        self._download = download
        self._client = client
        self._failures = 0  # in a row, without a byte

    def abort(self) -> None:
        self._client.abort()

    def run(self) -> None:
        try:
            self._fetch_parts()
        except BaseException as error:
            self._download.fail(error)
        finally:
            self._client.close()

    def _fetch_parts(self) -> None:
        download = self._download
        while not download.ending.is_set() and not download.leave(if_crowded=True):
            download.ending.wait(download.throttle.not_before - time.monotonic())
            part = download.parts.claim(download.throttle.connections)
            part = part or download.parts.relieve(time.monotonic())
            if part is None:  # for now: another connection may fail, or turn out to be slow
                download.ending.wait(LOOK)
                continue
            try:
                self._fetch(part)
            except Transient as fault:
                download.parts.release(part)  # others may have it while we wait
                if download.ending.is_set() or not self._bear(fault):
                    return
            finally:
                download.parts.release(part)
            if download.parts.complete:
                download.ending.set()

    def _bear(self, fault: Transient) -> bool:
        """Wait until it is time for another attempt; False where others do better without us.

        Raises
        ------
        HubError
            There is no other, or the wait would be too long.
        """
        download, policy = self._download, self._download.policy
        self._failures += 1
        # The first refusal of a link that may be too old says nothing about a crowd.
        if fault.crowded and (not fault.stale or self._failures > 1):
            download.throttle.narrow()
        if self._failures >= policy.attempts:
            if download.leave():
                return False
            raise self._given_up(fault)
        if fault.wait is None:
            download.ending.wait(policy.wait(self._failures))
        elif fault.wait <= policy.longest_retry_after:
            download.throttle.hold(fault.wait)
        else:
            raise self._given_up(fault)
        return True

    def _fetch(self, part: Part) -> None:
        download = self._download
        start, end = part.start, part.end  # which may move down to the start
        if start == end or download.ending.is_set():
            return
        body = download.source.open(self._client, start, end)
        if body.ranged or part.left == download.parts.size:
            self._copy(body, part)
            return
        download.throttle.connections = 1
        download.parts.release(part)
        if download.whole.acquire(blocking=False):
            try:
                self._fetch_whole(body)
            finally:
                download.whole.release()

    def _fetch_whole(self, body: Body) -> None:
        """The other side knows no ranges and sends all: step over what is here."""
        download = self._download
        while not download.ending.is_set():
            part = download.parts.claim_rest(body.position)
            if part is None:
                return
            try:
                while body.position < part.start and not download.ending.is_set():
                    body.read(min(READ, part.start - body.position))
                self._copy(body, part)
            finally:
                download.parts.release(part)

    def _copy(self, body: Body, part: Part) -> None:
        download = self._download
        while part.left and not download.ending.is_set():
            download.write(part, body.read(min(READ, part.left)))
            self._failures = 0

    def _given_up(self, fault: Transient) -> HubError:
        parts = self._download.parts
        return HubError(
            f"The download does not go on: {fault.reason}. {parts.completed:,} of {parts.size:,} "
            "bytes of the file are kept; pull again to go on from there.",
            retry_after=None if fault.wait is None else int(fault.wait),
        )
