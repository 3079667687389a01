"""Download the missing bytes of one file over several connections."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ...contract.errors import HubError
from ..http.http_client import Client
from ..http.retries import OnRetry, Retry, Stopped, Transient
from .parts import SMALLEST, Part, Parts
from .policy import CHECKPOINT_BYTES, Policy
from .source import Body, Source

#: Bytes read from the network at once; a killed process loses them.
READ_SIZE = 256 << 10
#: Seconds between two checks of a waiting thread.
POLL = 0.1
#: Seconds within which several refusals reduce the connections only once.
NARROW_INTERVAL = 5.0


class Throttle:
    """Limits that the other side imposed, for all files of a pull.

    `connections` may be open at once; no request is sent before `not_before` (monotonic seconds).
    """

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.not_before = 0.0
        self._narrowed = -NARROW_INTERVAL
        self._lock = threading.Lock()

    def narrow(self) -> None:
        """Halve the connections, once per `NARROW_INTERVAL`."""
        with self._lock:
            now = time.monotonic()
            if now - self._narrowed >= NARROW_INTERVAL:
                self._narrowed = now
                self.connections = max(1, self.connections // 2)

    def hold(self, seconds: float) -> None:
        """Send no request for `seconds`."""
        with self._lock:
            self.not_before = max(self.not_before, time.monotonic() + seconds)


class Download:
    """The download of the missing `parts` of one file.

    Parameters
    ----------
    write : callable
        Writes bytes at the position of a part.
    new_client : callable
        Creates a client for each connection.
    on_retry : callable
        Called before a request is repeated.

    Attributes
    ----------
    progressed_at : float
        Monotonic seconds of the last byte, or of the start.
    """

    def __init__(
        self,
        source: Source,
        parts: Parts,
        write: Callable[[Part, bytes], None],
        new_client: Callable[[], Client],
        throttle: Throttle,
        policy: Policy,
        on_retry: OnRetry,
    ) -> None:
        self.source = source
        self.parts = parts
        self.write = write
        self.throttle = throttle
        self.policy = policy
        self.on_retry = on_retry
        self.progressed_at = time.monotonic()
        self.ending = threading.Event()
        #: Held by the only connection that receives the whole file.
        self.whole_file = threading.Lock()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        useful = max(1, (parts.size - parts.completed) // SMALLEST)
        count = min(throttle.connections, useful)
        self._connections = [_Connection(self, new_client()) for _ in range(count)]
        self._active = count

    def run(self, stop: threading.Event, checkpoint: Callable[[], None]) -> None:
        """Download until the file is complete, calling `checkpoint` regularly and at the end.

        Raises
        ------
        Stopped
            If `stop` is set.
        HubError, HubUnauthorized, ContentChanged
            If the hub cannot be reached, refuses access or has other content than it listed.
        OSError
            If the disk cannot be written.
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
                connection.client.abort()
            for thread in threads:
                thread.join()
        if not isinstance(self._error, OSError):  # the disk would fail again
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

    def retire(self, *, if_throttled: bool = False) -> bool:
        """Let a connection end, unless it is the last one; return whether it may.

        With `if_throttled` it may only end if there are more connections than the throttle allows.
        """
        with self._lock:
            needed = self.throttle.connections if if_throttled else 1
            if self._active <= needed:
                return False
            self._active -= 1
            return True

    def _watch(
        self,
        threads: list[threading.Thread],
        stop: threading.Event,
        checkpoint: Callable[[], None],
    ) -> None:
        due_time, due_bytes = self._next_checkpoint()
        while any(thread.is_alive() for thread in threads) and not self.ending.is_set():
            if stop.is_set():
                return
            self.ending.wait(POLL)
            for connection in self._connections:
                connection.client.expire(time.monotonic())
            if time.monotonic() >= due_time or self.parts.completed >= due_bytes:
                checkpoint()
                due_time, due_bytes = self._next_checkpoint()

    def _next_checkpoint(self) -> tuple[float, int]:
        """Return the time and the bytes at which it is due, whichever is reached first."""
        return time.monotonic() + self.policy.checkpoint, self.parts.completed + CHECKPOINT_BYTES


class _Connection:
    """One connection of a download."""

    def __init__(self, download: Download, client: Client) -> None:
        self._download = download
        self.client = client
        self._failures = 0  # consecutive, without a byte

    def run(self) -> None:
        try:
            self._fetch_parts()
        except BaseException as error:
            self._download.fail(error)
        finally:
            self.client.close()

    def _fetch_parts(self) -> None:
        download = self._download
        while not download.ending.is_set() and not download.retire(if_throttled=True):
            download.ending.wait(download.throttle.not_before - time.monotonic())
            part = download.parts.assign(download.throttle.connections)
            part = part or download.parts.reassign(time.monotonic())
            if part is None:  # another connection may still fail or become slow
                download.ending.wait(POLL)
                continue
            try:
                self._fetch(part)
            except Transient as error:
                download.parts.release(part)  # other connections may fetch it during the wait
                if download.ending.is_set() or not self._should_retry(error):
                    return
            finally:
                download.parts.release(part)
            if download.parts.complete:
                download.ending.set()

    def _should_retry(self, error: Transient) -> bool:
        """Wait for the next attempt; return False if this connection should end instead.

        Raises
        ------
        HubError
            If this is the last connection, and there were too many attempts, or the wait would be
            too long.
        """
        download, policy = self._download, self._download.policy
        self._failures += 1
        # The first refusal of a link may only mean that it has expired.
        if error.overloaded and (not error.stale or self._failures > 1):
            download.throttle.narrow()
        wait = policy.wait(self._failures) if error.wait is None else error.wait
        at = time.monotonic() + wait
        if (
            self._failures >= policy.attempts
            or wait > max(policy.longest_retry_after, policy.longest_wait)
            or at > download.progressed_at + policy.patience
        ):
            if download.retire():
                return False
            raise self._give_up(error)
        download.on_retry(Retry(error.reason, at, self._failures + 1, policy.attempts))
        if error.wait is None:
            download.ending.wait(wait)
        else:
            download.throttle.hold(wait)
        return True

    def _fetch(self, part: Part) -> None:
        download = self._download
        start, end = part.start, part.end  # `end` may decrease to `start`
        if start == end or download.ending.is_set():
            return
        body = download.source.open(self.client, start, end)
        if body.ranged or part.left == download.parts.size:
            self._copy(body, part)
            return
        download.throttle.connections = 1
        download.parts.release(part)
        if download.whole_file.acquire(blocking=False):
            try:
                self._fetch_whole(body)
            finally:
                download.whole_file.release()

    def _fetch_whole(self, body: Body) -> None:
        """Read the whole file from a server that ignores ranges, and skip what is on disk."""
        download = self._download
        while not download.ending.is_set():
            part = download.parts.assign_from(body.position)
            if part is None:
                return
            try:
                while body.position < part.start and not download.ending.is_set():
                    body.read(min(READ_SIZE, part.start - body.position))
                self._copy(body, part)
            finally:
                download.parts.release(part)

    def _copy(self, body: Body, part: Part) -> None:
        download = self._download
        while part.left and not download.ending.is_set():
            download.write(part, body.read(min(READ_SIZE, part.left)))
            self._failures = 0
            download.progressed_at = time.monotonic()

    def _give_up(self, error: Transient) -> HubError:
        parts = self._download.parts
        wait = None if error.wait is None else math.ceil(error.wait)
        asks = "" if wait is None else f" and asks to wait {wait} seconds"
        return HubError(
            f"The download failed, attempt {self._failures} of {self._download.policy.attempts}: "
            f"{error.reason}{asks}. {parts.completed:,} of {parts.size:,} bytes of the file are "
            "kept; pull again to resume.",
            retry_after=wait,
        )
