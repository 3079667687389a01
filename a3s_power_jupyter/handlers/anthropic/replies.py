"""Build Anthropic's messages and their events from the items of the engine."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from msgspec import UNSET

from ...contract.types import Delta, Finished, GenerationItem, Started
from .content import Content, Event
from .requests import MessageCall


class MessageReply:
    """Collects the items of an answer, and returns events or the whole message.

    Parameters
    ----------
    limit : int or None
        Most tokens of the answer, if it is known: an answer that is cut before has filled the
        context.
    """

    def __init__(self, call: MessageCall, limit: int | None) -> None:
        self._call = call
        self._limit = limit
        self._id = f"msg_{uuid.uuid4().hex}"
        self._content = Content(hides_thoughts=call.hides_thoughts)
        self._started = False
        self._finished: Finished | None = None

    def events(self, item: GenerationItem) -> list[Event]:
        """Return the events to stream for an item.

        Raises
        ------
        InvalidToolCall
            As `Content.add` and `Content.finish`.
        """
        if isinstance(item, Started):
            return self._start(item.prompt_tokens, item.cached_tokens)
        if isinstance(item, Delta):
            return self._start(0, 0) + self._content.add(item)
        if isinstance(item, Finished):
            events = self._start(item.prompt_tokens, item.cached_tokens)
            return events + self._finish(item)
        return []

    def result(self) -> dict[str, Any]:
        """Return the whole message, once it is finished."""
        finished = self._finished
        if finished is None:
            raise RuntimeError("the answer is not finished")
        return self._message(self._content.whole(), self._usage(finished)) | self._end(finished)

    def _start(self, prompt_tokens: int, cached_tokens: int) -> list[Event]:
        """Return the first event, once."""
        if self._started:
            return []
        self._started = True
        usage = _usage(prompt_tokens, cached_tokens) | {"output_tokens": 0}
        message = self._message([], usage) | {"stop_reason": None, "stop_sequence": None}
        return [{"type": "message_start", "message": message}]

    def _finish(self, finished: Finished) -> list[Event]:
        self._finished = finished
        cut = finished.finish_reason == "length" or finished.stop is not None
        events = self._content.finish(complete=not cut)
        end = {"delta": self._end(finished), "usage": self._usage(finished)}
        return [*events, {"type": "message_delta", **end}, {"type": "message_stop"}]

    def _message(self, content: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._call.model,
            "content": content,
            "usage": usage,
        }

    def _end(self, finished: Finished) -> dict[str, Any]:
        """Return why the answer ended."""
        stop = finished.stop if finished.stop in self._stop_sequences else None
        return {"stop_reason": self._stop_reason(finished, stop), "stop_sequence": stop}

    def _stop_reason(self, finished: Finished, stop: str | None) -> str:
        if finished.finish_reason == "length":
            full = self._limit is not None and finished.completion_tokens < self._limit
            return "model_context_window_exceeded" if full else "max_tokens"
        if stop is not None:
            return "stop_sequence"
        return "tool_use" if self._content.uses_tools else "end_turn"

    @property
    def _stop_sequences(self) -> Collection[str]:
        """The stop strings of the request. Those of the model's defaults are not named."""
        stop = self._call.request.sampling.stop
        return () if stop is UNSET else stop

    def _usage(self, finished: Finished) -> dict[str, Any]:
        return _usage(finished.prompt_tokens, finished.cached_tokens) | {
            "output_tokens": finished.completion_tokens,
            "output_tokens_details": {"thinking_tokens": finished.reasoning_tokens},
        }


def _usage(prompt_tokens: int, cached_tokens: int) -> dict[str, Any]:
    """Return the counts of a prompt. Anthropic's ``input_tokens`` are those not in the cache."""
    return {
        "input_tokens": prompt_tokens - cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached_tokens,
    }
