"""Network failures for the test hub to simulate, and records of its requests."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

#: ``bytes``: a GET that sends a file. ``redirect``: the hub's redirect to it. ``head``: a HEAD for
#: a file. ``api``: metadata and listings.
Stage = Literal["bytes", "redirect", "head", "api"]


@dataclass(frozen=True)
class Failure:
    """One failure. Several failures that match a request are combined; the last one wins.

    Attributes
    ----------
    path : str
        End of the file's path in the repository, or of the URL's path for the API.
    stage : str
        Kind of requests that fail.
    times : int or None
        Number of requests that fail; None means all.
    skip : int
        Matching requests that succeed before the first failure.
    delay : float or None
        Seconds before the reply.
    hang_up : bool or None
        Close the connection without a reply.
    drip : float or None
        Seconds between two bytes of a head that never ends.
    status, headers : int or None, dict or None
        Reply with this status and without the file.
    cut_after : int or None
        Bytes of the body after which the connection is closed.
    stall_after : int or None
        Bytes of the body after which nothing is sent for `stall_for` seconds.
    ignore_ranges : bool or None
        Send the whole file with status 200.
    wrong_at : int or None
        Offset in the file of a wrong byte.
    content : bytes, Path or None
        Sent instead of the file, with a matching ETag.
    etag : str or None
        Sent instead of the right one.
    rate : float or None
        Bytes per second of the connection.
    """

    path: str = ""
    stage: Stage = "bytes"
    times: int | None = 1
    skip: int = 0
    delay: float | None = None
    hang_up: bool | None = None
    drip: float | None = None
    status: int | None = None
    headers: Mapping[str, str] | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    stall_for: float | None = None
    ignore_ranges: bool | None = None
    wrong_at: int | None = None
    content: bytes | Path | None = None
    etag: str | None = None
    rate: float | None = None


_EFFECTS = [f.name for f in fields(Failure) if f.name not in ("path", "stage", "times", "skip")]


@dataclass
class _Simulated:
    failure: Failure
    seen: int = 0

    def applies(self, stage: Stage, path: str) -> bool:
        """Count a matching request, and return whether it fails."""
        if stage != self.failure.stage or not path.endswith(self.failure.path):
            return False
        self.seen += 1
        last = math.inf if self.failure.times is None else self.failure.skip + self.failure.times
        return self.failure.skip < self.seen <= last


class Failures:
    """Thread-safe list of the failures to simulate."""

    def __init__(self) -> None:
        self._simulated: list[_Simulated] = []
        self._lock = threading.Lock()

    def add(self, failure: Failure) -> None:
        with self._lock:
            self._simulated.append(_Simulated(failure))

    def clear(self) -> None:
        with self._lock:
            self._simulated.clear()

    def find(self, stage: Stage, path: str) -> Failure:
        """Return the combined failure of a request."""
        effects: dict[str, object] = {}
        with self._lock:
            for simulated in self._simulated:
                if simulated.applies(stage, path):
                    values = {name: getattr(simulated.failure, name) for name in _EFFECTS}
                    effects |= {name: value for name, value in values.items() if value is not None}
        return Failure(**effects)  # type: ignore[arg-type]


@dataclass
class Record:
    """One request and its reply.

    Attributes
    ----------
    host : str
        ``hub``, or ``cdn``, the host that the hub redirects to.
    path : str
        Decoded path of the URL; on the cdn, the file's path in the repository.
    authorization, range : str or None
        The headers of these names.
    status : int
        Status of the reply; 0 before the reply.
    sent : int
        Bytes of the body that were sent.
    """

    host: Literal["hub", "cdn"]
    method: str
    path: str
    authorization: str | None = None
    range: str | None = None
    status: int = 0
    sent: int = 0
    headers: dict[str, str] = field(default_factory=dict)
