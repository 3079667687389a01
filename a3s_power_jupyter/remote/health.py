"""Track whether the upstreams of remote models answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

import msgspec

from ..contract.errors import PowerError, ServerBusy
from ..contract.redaction import Redactor
from ..contract.types import Manifest, Upstream
from .body import upstream_of
from .failures import combined

#: Seconds until the result of a check is outdated, and until an upstream that failed is checked
#: again.
FRESH = 15.0
FAILED_FRESH = 5.0

#: Seconds without requests for an upstream that is busy and does not say how long, and at most.
BUSY = 2.0
MAX_BUSY = 60.0

State = Literal["unknown", "available", "busy", "failed"]


class ServerHealth(msgspec.Struct, eq=False):
    """What is known of one server behind a model.

    Attributes
    ----------
    answers : bool or None
        Whether the last request or check was answered; None before the first one.
    error : PowerError or None
        Why it was not.
    checked : float
        Time of the end of the last request or check, in seconds on the monotonic clock.
    busy_until : float
        Time until which it wants no requests.
    active : int
        Requests in progress.
    failures : int
        Requests that were not answered.
    context_length : int or None
        Tokens, if the server states it.
    """

    base_url: str
    answers: bool | None = None
    error: PowerError | None = None
    checked: float = -FRESH
    busy_until: float = 0.0
    active: int = 0
    failures: int = 0
    context_length: int | None = None

    def state(self, now: float) -> State:
        if now < self.busy_until:
            return "busy"
        if self.answers is None:
            return "unknown"
        return "available" if self.answers or isinstance(self.error, ServerBusy) else "failed"

    def is_fresh(self, now: float) -> bool:
        age = FAILED_FRESH if self.state(now) == "failed" else FRESH
        return now - self.checked < age


class ModelHealth(msgspec.Struct, eq=False):
    """What is known of the servers behind a model.

    Attributes
    ----------
    last_used_at : float or None
        Unix time of the end of the last request.
    """

    servers: tuple[ServerHealth, ...]
    last_used_at: float | None = None

    @property
    def answers(self) -> bool | None:
        """Whether a server answers; None if none does, but some have not been asked yet."""
        known = {server.answers for server in self.servers}
        return True if True in known else None if None in known else False

    @property
    def error(self) -> PowerError | None:
        """Why no server answers."""
        failed = [(s.base_url, s.error) for s in self.servers if s.error is not None]
        return combined(failed) if len(failed) == len(self.servers) else None

    @property
    def active(self) -> int:
        return sum(server.active for server in self.servers)

    @property
    def context_length(self) -> int | None:
        """The smallest one, with which each server can answer."""
        known = [s.context_length for s in self.servers if s.context_length is not None]
        return min(known, default=None)


class HealthTracker:
    """The health of all upstreams.

    Parameters
    ----------
    changed : callable
        Called with a model's name when the health of an upstream changes.
    used : callable
        Called with a model's name when a request begins or ends.
    failed : callable
        Called with a model's name and an error code when an upstream did not answer a request.
    redactor : callable
        Returns the function that removes an upstream's key from texts.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    load : Counter of str
        Requests in progress by base URL, those of all models.
    """

    def __init__(
        self,
        changed: Callable[[str], None],
        used: Callable[[str], None],
        failed: Callable[[str, str], None],
        redactor: Callable[[Upstream], Redactor],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load: Counter[str] = Counter()
        self.clock = clock
        self._changed = changed
        self._used = used
        self._failed = failed
        self._redactor = redactor
        self._health: dict[str, tuple[Upstream, ModelHealth]] = {}

    def get(self, manifest: Manifest) -> ModelHealth:
        """Return the health of a model's upstream. It is reset when the upstream is replaced."""
        upstream = upstream_of(manifest)
        known = self._health.get(manifest.name)
        if known is None or known[0] != upstream:
            known = (upstream, ModelHealth(tuple(map(ServerHealth, upstream.base_urls))))
            self._health[manifest.name] = known
        return known[1]

    def forget(self, name: str) -> None:
        """Drop what is known, because the model was deleted or is to be shown as unloaded."""
        self._health.pop(name, None)
        self._changed(name)

    def begin(self, manifest: Manifest, server: ServerHealth) -> None:
        """Count a request in progress."""
        server.active += 1
        self.load[server.base_url] += 1
        self._used(manifest.name)

    def end(self, manifest: Manifest, server: ServerHealth) -> None:
        """Undo `begin`."""
        server.active -= 1
        self.load[server.base_url] -= 1
        if not self.load[server.base_url]:
            del self.load[server.base_url]
        self.get(manifest).last_used_at = time.time()
        self._used(manifest.name)

    def answered(self, manifest: Manifest, server: ServerHealth) -> None:
        """Record that a server answers."""
        self._record(manifest, server, True, None)

    def request_failed(self, manifest: Manifest, server: ServerHealth, error: PowerError) -> None:
        """Record the error of a request, as `failed` does."""
        self.failed(manifest, server, error)
        if error.status >= 500:
            server.failures += 1
            self._failed(manifest.name, error.code)

    def failed(self, manifest: Manifest, server: ServerHealth, error: PowerError) -> None:
        """Record an error.

        A request that the server refuses counts as answered before. The upstream's key is removed
        from the message, which may quote the server or an HTTP client.
        """
        self.clean(manifest, error)
        if error.status < 500:
            server.checked = self.clock()
            return
        if isinstance(error, ServerBusy):
            pause = BUSY if error.retry_after is None else min(error.retry_after, MAX_BUSY)
            server.busy_until = self.clock() + pause
        self._record(manifest, server, False, error)

    def clean(self, manifest: Manifest, error: PowerError) -> None:
        """Remove the upstream's key from an error."""
        self._redactor(upstream_of(manifest)).clean(error)

    def _record(
        self, manifest: Manifest, server: ServerHealth, answers: bool, error: PowerError | None
    ) -> None:
        before = server.answers, None if server.error is None else server.error.message
        server.answers, server.error = answers, error
        server.checked = self.clock()
        if before != (answers, None if error is None else error.message):
            self._changed(manifest.name)
