"""Events on their way to a view, which need not hear of every step."""

from __future__ import annotations

import threading
from typing import Any

Event = dict[str, Any]


class EventCoalescer:
    """What a view was not told yet: of each model and each pull the latest event.

    One thread adds, another takes; what is kept is bounded by the number of models and pulls.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], Event] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None

    def add(self, event: Event) -> None:
        key = _subject(event)
        with self._changed:
            if event["type"] == "snapshot":
                self._events.clear()  # it says all that they say
            self._events.pop(key, None)  # the order is that of the latest events
            self._events[key] = event
            self._changed.notify()

    def end(self, error: Exception | None = None) -> None:
        """Nothing comes after what was added; `error` is why, if it is not the end."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self) -> list[Event]:
        """Wait for events and take all; none are left after the end.

        Raises
        ------
        Exception
            What `end` was given, once all events are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._ended)
            events = [*self._events.values()]
            self._events.clear()
            if not events and self._error is not None:
                raise self._error
            return events


def _subject(event: Event) -> tuple[str, str]:
    """What an event is about; one that is not known is about its type."""
    if event["type"] in ("model", "model_deleted"):
        return "model", event["id"] if "id" in event else event["model"]["id"]
    if event["type"] in ("pull", "pull_deleted"):
        return "pull", event["name"] if "name" in event else event["pull"]["name"]
    return event["type"], ""
