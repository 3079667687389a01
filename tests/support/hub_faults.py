"""What the stand-in hub does wrong, on order, and what it remembers of each request."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

#: ``bytes``: a GET that serves a file. ``redirect``: the hub's answer that sends one there.
#: ``head``: a HEAD for a file. ``api``: metadata and listings.
Stage = Literal["bytes", "redirect", "head", "api"]


@dataclass(frozen=True)
class Fault:
    """One thing to do wrong. Several that match one request add up, the later one first.

    Attributes
    ----------
    path : the end of the file's path in the repository; of the URL's path for the API.
    stage : which requests it is about.
    times : how many requests; None is all.
    skip : matching requests that pass before it begins.
    delay : seconds before anything is answered.
    status, headers : an answer with this status and no file.
    cut_after : bytes of the body, then the connection ends.
    silent_after : bytes of the body, then nothing for `silent_for` seconds, and then the rest.
    ignore_ranges : the whole file, with status 200.
    wrong_at : offset in the file of a byte that is wrong.
    content : served in place of the file, with an ETag that fits it.
    etag : given in place of the right one.
    rate : bytes a second of this connection.
    """

    path: str = ""
    stage: Stage = "bytes"
    times: int | None = 1
    skip: int = 0
    delay: float | None = None
    status: int | None = None
    headers: Mapping[str, str] | None = None
    cut_after: int | None = None
    silent_after: int | None = None
    silent_for: float | None = None
    ignore_ranges: bool | None = None
    wrong_at: int | None = None
    content: bytes | Path | None = None
    etag: str | None = None
    rate: float | None = None


_EFFECTS = [f.name for f in fields(Fault) if f.name not in ("path", "stage", "times", "skip")]


@dataclass
class _Order:
    fault: Fault
    seen: int = 0

    def applies(self, stage: Stage, path: str) -> bool:
        """Whether this request is one of those meant; counts it."""
        if stage != self.fault.stage or not path.endswith(self.fault.path):
            return False
        self.seen += 1
        last = math.inf if self.fault.times is None else self.fault.skip + self.fault.times
        return self.fault.skip < self.seen <= last


class Faults:
    """The faults that were ordered; any thread may ask."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._orders.append(_Order(fault))

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def take(self, stage: Stage, path: str) -> Fault:
        """All that is to go wrong with this request, as one."""
        effects: dict[str, object] = {}
        with self._lock:
            for order in self._orders:
                if order.applies(stage, path):
                    found = {name: getattr(order.fault, name) for name in _EFFECTS}
                    effects |= {name: value for name, value in found.items() if value is not None}
        return Fault(**effects)  # type: ignore[arg-type]


@dataclass
class Record:
    """One request, and what was served.

    Attributes
    ----------
    host : ``hub`` or ``cdn``, where the hub redirects to.
    path : of the URL, decoded; on the cdn the file's path in the repository.
    authorization, range : those headers, or None.
    status : of the answer; 0 before there is one.
    sent : bytes of the body handed to the network.
    """

    host: Literal["hub", "cdn"]
    method: str
    path: str
    authorization: str | None = None
    range: str | None = None
    status: int = 0
    sent: int = 0
    headers: dict[str, str] = field(default_factory=dict)
