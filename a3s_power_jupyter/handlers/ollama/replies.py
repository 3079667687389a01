"""Build the lines and whole replies of Ollama's chats and completions from engine items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ...contract.types import Delta, Finished, GenerationItem, Started, TokenLogprob
from ..chat.answer import Answer, Call, check_object, is_object
from .clock import Clock, timestamp


class GenerationReply:
    """The reply to one request: lines of a stream, or one object.

    Parameters
    ----------
    model : str
        The name that the client used.
    clock : Clock
        Started when the request arrived.
    """

    def __init__(self, model: str, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._answer = Answer()
        self._logprobs: list[msgspec.Raw] = []

    def lines(self, item: GenerationItem) -> Iterator[dict[str, Any]]:
        """Yield the lines to stream for an item. Calls are sent whole, at the end."""
        if isinstance(item, Started):
            self._clock.answers()
        elif isinstance(item, Delta):
            if item.tool_calls:
                self._answer.add(item)
            if item.text or item.reasoning or item.logprobs:
                yield self._line(self._part(item.text, item.reasoning), _logprobs(item))
        elif isinstance(item, Finished):
            if calls := _whole_calls(self._answer.ordered_calls, item):
                yield self._line(self._part("", "", calls))
            yield self._last_line(self._part("", ""), item)

    def add(self, item: GenerationItem) -> None:
        """Collect an item for `result`."""
        if isinstance(item, Started):
            self._clock.answers()
        elif isinstance(item, Delta):
            self._logprobs += _logprobs(item)
        self._answer.add(item)

    def result(self) -> dict[str, Any]:
        """Return the whole reply, with an iterator for `encode_pieces`. It must be finished."""
        answer, finished = self._answer, self._answer.finished
        if finished is None:
            raise RuntimeError("the answer is not finished")
        calls = _whole_calls(answer.ordered_calls, finished)
        part = self._part(answer.text, answer.reasoning, calls)
        return self._last_line(part, finished, self._logprobs)

    def without_answer(self, reason: str) -> dict[str, Any]:
        """Return the reply if the model was only loaded or unloaded."""
        line = self._line(self._part("", ""), done=True)
        return line | {"done_reason": reason, **self._clock.until_now()}

    def _part(
        self, text: str, thoughts: str, calls: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Return the fields of a line with the content."""
        raise NotImplementedError

    def _line(
        self, part: dict[str, Any], logprobs: list[msgspec.Raw] | None = None, *, done: bool = False
    ) -> dict[str, Any]:
        line = {"model": self._model, "created_at": timestamp(), **part}
        if logprobs:
            line["logprobs"] = iter(logprobs) if done else logprobs
        return line | {"done": done}

    def _last_line(
        self, part: dict[str, Any], finished: Finished, logprobs: list[msgspec.Raw] | None = None
    ) -> dict[str, Any]:
        return self._line(part, logprobs, done=True) | {
            "done_reason": "length" if finished.finish_reason == "length" else "stop",
            **self._clock.of_answer(finished.timings),
            "prompt_eval_count": finished.prompt_tokens,
            "eval_count": finished.completion_tokens,
        }


class ChatReply(GenerationReply):
    """The reply of ``/api/chat``."""

    def _part(
        self, text: str, thoughts: str, calls: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thoughts:
            message["thinking"] = thoughts
        if calls:
            message["tool_calls"] = calls
        return {"message": message}


class GenerateReply(GenerationReply):
    """The reply of ``/api/generate``, whose requests have no tools."""

    def _part(
        self, text: str, thoughts: str, calls: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        return {"response": text, **({"thinking": thoughts} if thoughts else {})}


def _whole_calls(calls: Iterable[Call], finished: Finished) -> list[dict[str, Any]]:
    """Return the calls of an answer. One that is cut off is left out.

    Raises
    ------
    InvalidToolCall
        If a call is whole, but its arguments are not a JSON object.
    """
    found: list[dict[str, Any]] = []
    for call in calls:
        if finished.finish_reason == "length" and not is_object(call.arguments):
            continue
        check_object(call.name, call.arguments)
        arguments = msgspec.Raw((call.arguments or "{}").encode())
        function = {"index": len(found), "name": call.name, "arguments": arguments}
        found.append({"id": call.id, "function": function})
    return found


def _logprobs(delta: Delta) -> list[msgspec.Raw]:
    """Return the log probabilities of tokens, encoded, so that the collector sees no objects."""
    return [msgspec.Raw(msgspec.json.encode(_logprob(token))) for token in delta.logprobs or ()]


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    names = ("token", "bytes", "logprob")
    top = [dict(zip(names, alternative, strict=True)) for alternative in token.top]
    known = {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
    return known | ({"top_logprobs": top} if top else {})
