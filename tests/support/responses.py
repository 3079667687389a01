"""Requests for responses, and their replies."""

from __future__ import annotations

from typing import Any

from a3s_power_jupyter.contract.errors import ResponseNotFound
from a3s_power_jupyter.contract.types import GenerationItem
from a3s_power_jupyter.handlers.responses.replies import ResponseReply
from a3s_power_jupyter.handlers.responses.requests import ResponseCall, read_response
from support.openai_responses import as_json, parsed_event, parsed_response

Json = dict[str, Any]


def call_of(
    input_: Any,
    stored: dict[str, Json] | None = None,
    carried: list[Json] | None = None,
    **fields: Any,
) -> ResponseCall:
    """Read a request with an input, where some items are stored by their identifiers."""

    def lookup(id_: str, at: str) -> Json:
        if id_ not in (stored or {}):
            raise ResponseNotFound(f"{id_} is not stored.", param=at)
        return (stored or {})[id_]

    return read_response({"model": "m", "input": input_, **fields}, lookup, carried or [])


def events_of(items: list[GenerationItem], **fields: Any) -> list[Json]:
    """Return the events for the items of an engine, each checked."""
    reply = ResponseReply(call_of("Hi", stream=True, **fields))
    events: list[Json] = []
    for item in items:
        events += [as_json(event) for event in reply.events(item)]
    for event in events:
        parsed_event(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def response_of(items: list[GenerationItem], **fields: Any) -> Json:
    """Return the reply for the items of an engine, checked."""
    reply = ResponseReply(call_of("Hi", **fields))
    for item in items:
        reply.events(item)
    parsed_response(reply.response())
    response: Json = as_json(reply.response())
    return response
