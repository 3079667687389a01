"""Derive the wire events of a pull from its status and fan them out to the watchers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from msgspec import UNSET

from ..contract.types import PullStatus

Event = dict[str, Any]


def wire_event(before: PullStatus, after: PullStatus) -> Event:
    """Return the event of ``POST /v1/models/pull`` (``rest-api.yml``) for a change of status.

    The member ``pull`` of each event is the whole status.
    """
    return {**(_step(before, after) if after.status == "pulling" else _end(after)), "pull": after}


def _step(before: PullStatus, after: PullStatus) -> Event:
    progress: Event = {"completed": after.completed}
    if after.total is not UNSET:
        progress["total"] = after.total
    if after.phase == "waiting":
        return {"status": "waiting", **progress, "note": after.note}
    if after.phase == "verifying":
        return {"status": "verifying"}
    if after.phase == "downloading":
        if after.resumed_from != before.resumed_from:
            return {"status": "resuming", "offset": after.resumed_from, "total": after.total}
        return {
            "status": "downloading",
            **progress,
            "bytes_per_second": 0.0 if after.bytes_per_second is UNSET else after.bytes_per_second,
            "eta_seconds": None if after.eta_seconds is UNSET else after.eta_seconds,
        }
    if after.revision is UNSET:
        return {"status": "resolving"}
    return {
        "status": "planned",
        "revision": after.revision,
        "files": 1 if after.files is UNSET else len(after.files),
        "total": after.total,
        **({} if after.note is UNSET else {"note": after.note}),
    }


def _end(status: PullStatus) -> Event:
    if status.status == "done":
        return {
            "status": "success",
            "id": status.name,
            "object": "model",
            "created": status.created,
        }
    if status.status == "failed":
        return {"status": "error", "error": status.error}
    event = {"status": status.status, "name": status.name}
    return event | ({"completed": status.completed} if status.status == "paused" else {})


def received_bytes(before: PullStatus, after: PullStatus) -> int:
    """Return how many bytes the process of the pull received between two statuses."""
    if "downloading" not in (before.phase, after.phase) or after.phase == "waiting":
        return 0
    if before.resumed_from != after.resumed_from:
        return 0
    return max(0, after.completed - before.completed)


class Watchers:
    """Fan out events to any number of watchers.

    If a watcher is slow, only the newest of consecutive events with the same ``status`` is kept
    for it, which bounds its queue.
    """

    def __init__(self) -> None:
        self._latest: Event | None = None
        self._ended = False
        self._queues: set[_Queue] = set()

    def publish(self, event: Event, *, last: bool = False) -> None:
        self._latest = event
        self._ended = last
        for queue in self._queues:
            queue.put(event, last)

    async def watch(self) -> AsyncGenerator[Event, None]:
        """Yield the latest event, if there is one, and then every event up to the last."""
        queue = _Queue()
        if self._latest is not None:
            queue.put(self._latest, self._ended)
        self._queues.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)


class _Queue:
    """The events that one watcher has not received yet."""

    def __init__(self) -> None:
        self._events: deque[Event | None] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: Event, last: bool) -> None:
        newest = self._events[-1] if self._events else None
        if newest is not None and newest["status"] == event["status"]:
            self._events[-1] = event
        else:
            self._events.append(event)
        if last:
            self._events.append(None)
        self._arrived.set()

    async def get(self) -> Event | None:
        """Return the next event; None after the last."""
        await self._arrived.wait()
        event = self._events.popleft()
        if not self._events:
            self._arrived.clear()
        return event
