"""Build the events and the reply of a response from the items of the engine."""

from __future__ import annotations

import time

from msgspec import UNSET, UnsetType

from ...contract.errors import PowerError, UpstreamError
from ...contract.types import Delta, Finished, GenerationItem, TokenLogprob, ToolCallDelta
from .fields import ENCRYPTED
from .items import new_id
from .outputs import FunctionCall, Json, Message, Output, Status, Thoughts
from .requests import ResponseCall

#: The codes of OpenAI for errors in a response. Our own code is in ``type``.
_BAD_PROMPT = "invalid_prompt"
_FAILED = "server_error"


class ResponseReply:
    """Collects the items of a response, and returns its events.

    Attributes
    ----------
    id : str
        Identifier of the response.
    status : str
        ``queued``, ``in_progress``, ``completed``, ``incomplete``, ``failed`` or ``cancelled``.
    """

    def __init__(self, call: ResponseCall, mark: str = "") -> None:
        self.id = new_id(f"resp_{mark}" if mark else "resp")
        self.status = "queued" if call.fields.background else "in_progress"
        self._call = call
        self._created = int(time.time())
        self._completed: int | None = None
        self._sequence = 0
        self._begun = False
        self._outputs: list[Output] = []
        self._open: Output | None = None
        self._calls: dict[int, FunctionCall] = {}
        self._tokens: list[TokenLogprob] = []  # those before the text that they belong to
        self._finished: Finished | None = None
        self._error: PowerError | None = None

    # ---------------------------------------------------------------- events

    def begin(self) -> list[Json]:
        """Return the first events. A response in the background waits to be processed."""
        self._begun = True
        kinds = ["created", self.status]
        return self._numbered([self._whole_event(kind) for kind in kinds])

    def events(self, item: GenerationItem) -> list[Json]:
        """Return the events for an item of the engine."""
        events: list[Json] = [] if self._begun else self.begin()
        if self.status == "queued":
            self.status = "in_progress"
            events += self._numbered([self._whole_event("in_progress")])
        if isinstance(item, Delta):
            events += self._numbered(self._delta(item))
        elif isinstance(item, Finished):
            events += self._numbered(self._finish(item))
        return events

    def failed(self, error: PowerError) -> list[Json]:
        """Return the last events of a response that fails."""
        events: list[Json] = [] if self._begun else self.begin()
        self.status, self._error = "failed", error
        message = {"code": error.code, "message": error.message, "param": error.param}
        last = [{"type": "error", **message}, self._whole_event("failed")]
        return events + self._numbered(last)

    def cancel(self) -> None:
        """Note that the response was cancelled."""
        self.status = "cancelled"

    def _numbered(self, events: list[Json]) -> list[Json]:
        for event in events:
            event["sequence_number"] = self._sequence
            self._sequence += 1
        return events

    def _whole_event(self, kind: str) -> Json:
        return {"type": f"response.{kind}", "response": self.response()}

    def _delta(self, delta: Delta) -> list[Json]:
        events: list[Json] = []
        if delta.reasoning:
            thoughts, opened = self._thoughts()
            events += opened + thoughts.add(delta.reasoning)
        self._tokens += delta.logprobs or []
        if delta.text:
            message, opened = self._message()
            events += opened + message.add(delta.text, self._take_tokens())
        for part in delta.tool_calls:
            call, opened = self._function_call(part)
            events += opened + call.add(part.arguments)
        return events

    def _finish(self, item: Finished) -> list[Json]:
        self._finished = item
        self._completed = int(time.time())
        events: list[Json] = []
        is_cut_off = item.finish_reason == "length"
        if not is_cut_off and all(isinstance(output, Thoughts) for output in self._outputs):
            _, events = self._message()  # an empty answer is one, too
        if self._tokens and isinstance(self._open, Message):
            events += self._open.add("", self._take_tokens())
        events += self._close("incomplete" if is_cut_off else "completed")
        self.status = "incomplete" if is_cut_off else "completed"
        return [*events, self._whole_event(self.status)]

    # ---------------------------------------------------------------- outputs

    def _thoughts(self) -> tuple[Thoughts, list[Json]]:
        if isinstance(self._open, Thoughts):
            return self._open, []
        is_sealed = ENCRYPTED in self._call.fields.include
        as_summary = self._call.summary is not None
        thoughts = Thoughts(len(self._outputs), as_summary=as_summary, is_sealed=is_sealed)
        return thoughts, self._start(thoughts)

    def _message(self) -> tuple[Message, list[Json]]:
        if isinstance(self._open, Message):
            return self._open, []
        message = Message(len(self._outputs))
        return message, self._start(message)

    def _function_call(self, part: ToolCallDelta) -> tuple[FunctionCall, list[Json]]:
        call = self._calls.get(part.index)
        if call is None:
            namespace, name = self._call.tools.namespaces.get(part.name, (None, part.name))
            call = FunctionCall(len(self._outputs), part.id, name, namespace)
            self._calls[part.index] = call
            return call, self._start(call)
        if call is not self._open:
            raise UpstreamError("The upstream sent parts of several calls in turn.")
        return call, []

    def _start(self, output: Output) -> list[Json]:
        """Close the open item, and return the events with the first ones of the next."""
        closed = self._close("completed")
        self._outputs.append(output)
        self._open = output
        return closed + output.open()

    def _close(self, status: Status) -> list[Json]:
        output, self._open = self._open, None
        return [] if output is None else output.close(status)

    def _take_tokens(self) -> list[TokenLogprob]:
        tokens, self._tokens = self._tokens, []
        return tokens

    # ---------------------------------------------------------------- the whole response

    def response(self) -> Json:
        """Return the response as it is now. Items in progress are left out."""
        call, fields = self._call, self._call.fields
        outputs = [output for output in self._outputs if output.status != "in_progress"]
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "completed_at": self._completed,
            "status": self.status,
            "background": fields.background,
            "error": _error(self._error),
            "incomplete_details": (
                {"reason": "max_output_tokens"} if self.status == "incomplete" else None
            ),
            "instructions": fields.instructions or None,
            "max_output_tokens": _known(fields.max_output_tokens),
            "max_tool_calls": fields.max_tool_calls,
            "metadata": fields.metadata,
            "model": fields.model,
            "output": [output.item() for output in outputs],
            "parallel_tool_calls": call.tools.parallel,
            "previous_response_id": fields.previous_response_id,
            "prompt_cache_key": fields.prompt_cache_key,
            "reasoning": {"effort": call.effort, "summary": call.summary},
            "safety_identifier": fields.safety_identifier,
            "service_tier": "default",
            "temperature": _known(fields.temperature),
            "text": {"format": call.text_format},
            "tool_choice": call.tools.shown_choice,
            "tools": call.tools.shown,
            "top_logprobs": fields.top_logprobs,
            "top_p": _known(fields.top_p),
            "truncation": fields.truncation,
            "usage": None if self._finished is None else _usage(self._finished),
            "user": fields.user,
        }


def _known(value: float | UnsetType) -> float | None:
    return None if value is UNSET else value


def _error(error: PowerError | None) -> Json | None:
    if error is None:
        return None
    code = _BAD_PROMPT if error.status < 500 else _FAILED
    return {"code": code, "message": error.message, "param": error.param, "type": error.code}


def _usage(finished: Finished) -> Json:
    return {
        "input_tokens": finished.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": finished.cached_tokens,
            "cache_write_tokens": 0,  # for servers that charge for them
        },
        "output_tokens": finished.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": finished.reasoning_tokens},
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
    }
