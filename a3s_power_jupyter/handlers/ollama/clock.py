"""The times in Ollama's replies."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from ...contract.types import Timings

#: Nanoseconds, in which all durations are.
_SECOND = 10**9


class Clock:
    """The times of one request, which begins now.

    Parameters
    ----------
    now : callable
        Returns seconds of a monotonic clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._begun = now()
        self._loaded: float | None = None
        self._answering: float | None = None

    def is_loaded(self) -> None:
        """Note that the model begins with the request."""
        self._loaded = self._now()

    def answers(self) -> None:
        """Note that the model has read the prompt."""
        self._answering = self._now()

    def until_now(self) -> dict[str, int]:
        """Return the time so far, and the part of it before `is_loaded`, in nanoseconds."""
        now = self._now()
        return _report(now - self._begun, (self._loaded or now) - self._begun)

    def of_answer(self, timings: Timings) -> dict[str, int]:
        """Return the durations of an answer in nanoseconds.

        What precedes the work on the prompt is the load: mostly, the wait for the model. This
        process may learn late that the answer has begun, so the load is at most what remains of
        the whole time.

        The engine measures from the first token to the last. For an answer of one token, that is
        no time, by which clients divide the number of tokens; so its time is what passed here.
        """
        now = self._now()
        answering = now if self._answering is None else self._answering
        prompt = timings.prompt_ms / 1000
        answer = timings.predicted_ms / 1000 or now - answering
        total = now - self._begun
        before_answer = answering - self._begun
        return {
            **_report(total, min(before_answer, total - answer) - prompt),
            "prompt_eval_duration": round(prompt * _SECOND),
            "eval_duration": round(answer * _SECOND),
        }


def _report(total: float, load: float) -> dict[str, int]:
    return {
        "total_duration": round(total * _SECOND),
        "load_duration": max(round(load * _SECOND), 0),
    }


def timestamp() -> str:
    """Return the present as Ollama writes it (RFC 3339, in UTC)."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
