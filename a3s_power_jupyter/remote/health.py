"""Track whether the upstreams of remote models answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ..contract.errors import PowerError, UpstreamTimeout
from ..contract.redaction import Redactor
from ..contract.types import Manifest, Upstream
from .body import upstream_of

#: Seconds until the result of a check is outdated.
FRESH = 15.0


class UpstreamHealth(msgspec.Struct):
    """What is known of one upstream.

    Attributes
    ----------
    answers : bool or None
        Whether the last request or check was answered; None before the first one.
    error : PowerError or None
        Why it was not.
    checked : float
        Time of the last request or check, in seconds on the monotonic clock.
    last_used_at : float or None
        Unix time of the end of the last request.
    active : int
        Requests in progress.
    context_length : int or None
        Tokens, if the upstream states it.
    """

    answers: bool | None = None
    error: PowerError | None = None
    checked: float = -FRESH
    last_used_at: float | None = None
    active: int = 0
    context_length: int | None = None

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.checked < FRESH

    @property
    def status(self) -> tuple[bool | None, str | None]:
        """`answers` and the message of `error`, to compare by value."""
        return self.answers, None if self.error is None else self.error.message


class HealthTracker:
    """The health of all upstreams.

    Parameters
    ----------
    changed : callable
        Called with a model's name when the health of its upstream changes.
    used : callable
        Called with a model's name when a request begins or ends.
    redactor : callable
        Returns the function that removes an upstream's key from texts.
    """

    def __init__(
        self,
        changed: Callable[[str], None],
        used: Callable[[str], None],
        redactor: Callable[[Upstream], Redactor],
    ) -> None:
        self._changed = changed
        self._used = used
        self._redactor = redactor
        self._health: dict[str, tuple[Upstream, UpstreamHealth]] = {}

    def get(self, manifest: Manifest) -> UpstreamHealth:
        """Return the health of a model's upstream. It is reset when the upstream is replaced."""
        upstream = upstream_of(manifest)
        known = self._health.get(manifest.name)
        if known is None or known[0] != upstream:
            known = (upstream, UpstreamHealth())
            self._health[manifest.name] = known
        return known[1]

    def forget(self, name: str) -> None:
        """Drop what is known, because the model was deleted or is to be shown as unloaded."""
        self._health.pop(name, None)
        self._changed(name)

    @contextmanager
    def request(self, manifest: Manifest) -> Iterator[None]:
        """Record a request that runs within the block, and its outcome."""
        health = self.get(manifest)
        health.active += 1
        self._used(manifest.name)
        try:
            with self.outcome(manifest):
                yield
        finally:
            health.active -= 1
            health.last_used_at = time.time()
            self._used(manifest.name)

    @contextmanager
    def outcome(self, manifest: Manifest) -> Iterator[None]:
        """Record whether the upstream answers within the block.

        A request that the upstream refuses counts as answered. The upstream's key is removed from
        the messages of errors, which may quote the upstream or its HTTP client.

        Raises
        ------
        UpstreamTimeout
            In place of `TimeoutError`.
        """
        health = self.get(manifest)
        before = health.status
        try:
            yield
        except TimeoutError:
            health.answers = False
            health.error = UpstreamTimeout("The upstream did not answer in time.")
            raise health.error from None
        except PowerError as error:
            self._redactor(upstream_of(manifest)).clean(error)
            if error.status >= 500:
                health.answers, health.error = False, error
            raise
        else:
            health.answers, health.error = True, None
        finally:
            health.checked = time.monotonic()
            if before != health.status:
                self._changed(manifest.name)
