"""Events and replies of responses, read by the types of the ``openai`` package."""

from __future__ import annotations

from typing import Any

import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState

from a3s_power_jupyter.contract.errors import InvalidParameter, UpstreamError, WorkerDied
from a3s_power_jupyter.contract.types import (
    Delta,
    GenerationItem,
    Reading,
    Started,
    TokenLogprob,
    ToolCallDelta,
)
from a3s_power_jupyter.handlers.responses.replies import ResponseReply
from support.items import finished
from support.openai_responses import parsed_event, parsed_response
from support.responses import call_of, events_of, response_of

START = Started(7, 3)
END = finished("stop", 7, 9, 3)
CUT = finished("length", 7, 9)
TEXT: list[GenerationItem] = [Delta("Hel"), Delta("lo")]
THOUGHTS: list[GenerationItem] = [Delta("", reasoning="I "), Delta("", reasoning="think")]
CALL: list[GenerationItem] = [
    Delta("", tool_calls=[ToolCallDelta(0, "call_a", "f")]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments='{"a"')]),
    Delta("", tool_calls=[ToolCallDelta(0, arguments=": 1}")]),
]
SECOND: list[GenerationItem] = [Delta("", tool_calls=[ToolCallDelta(1, "call_b", "g", "{}")])]
TOOLS = [{"type": "function", "name": name} for name in ("f", "g")]
LOGPROBS = ["message.output_text.logprobs"]

CREATED = ["response.created", "response.in_progress"]
OPEN = ["response.output_item.added"]
CLOSE = ["response.output_item.done"]


def message(deltas: int = 2) -> list[str]:
    return [
        *OPEN,
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        *CLOSE,
    ]


def thoughts(kind: str = "reasoning_text", part: str = "content_part") -> list[str]:
    return [
        *OPEN,
        f"response.{part}.added",
        *[f"response.{kind}.delta"] * 2,
        f"response.{kind}.done",
        f"response.{part}.done",
        *CLOSE,
    ]


def call(deltas: int = 2) -> list[str]:
    return [
        *OPEN,
        *["response.function_call_arguments.delta"] * deltas,
        "response.function_call_arguments.done",
        *CLOSE,
    ]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize(
    ("items", "fields", "expected"),
    [
        ([START, *TEXT, END], {}, [*message(), "response.completed"]),
        ([Reading(1, 7, 0, 1.0), START, *TEXT, END], {}, [*message(), "response.completed"]),
        ([START, *TEXT, CUT], {}, [*message(), "response.incomplete"]),
        ([START, END], {}, [*message(0), "response.completed"]),
        ([START, CUT], {}, ["response.incomplete"]),
        (
            [START, *THOUGHTS, *TEXT, END],
            {},
            [*thoughts(), *message(), "response.completed"],
        ),
        (
            [START, *THOUGHTS, *TEXT, END],
            {"reasoning": {"summary": "auto"}},
            [
                *thoughts("reasoning_summary_text", "reasoning_summary_part"),
                *message(),
                "response.completed",
            ],
        ),
        ([START, *THOUGHTS, CUT], {}, [*thoughts(), "response.incomplete"]),
        ([START, *THOUGHTS, END], {}, [*thoughts(), *message(0), "response.completed"]),
        ([START, *CALL, END], {"tools": TOOLS}, [*call(), "response.completed"]),
        (
            [START, *THOUGHTS, *TEXT, *CALL, *SECOND, END],
            {"tools": TOOLS},
            [*thoughts(), *message(), *call(), *call(1), "response.completed"],
        ),
        (
            [START, *CALL, *TEXT, END],
            {"tools": TOOLS},
            [*call(), *message(), "response.completed"],
        ),
        ([START, *CALL[:2], CUT], {"tools": TOOLS}, [*call(1), "response.incomplete"]),
    ],
)
def test_the_events_are_those_of_openai_in_its_order(
    items: list[GenerationItem], fields: dict[str, Any], expected: list[str]
) -> None:
    events = events_of(items, **fields)
    assert types(events) == [*CREATED, *expected]
    added = [event["output_index"] for event in events if event["type"] == OPEN[0]]
    assert added == list(range(len(added)))


def check_ids(events: list[dict[str, Any]]) -> None:
    """Check that each event of an item has the id and index with which the item began."""
    ids: dict[int, str] = {}
    for event in events:
        if event["type"] == OPEN[0]:
            ids[event["output_index"]] = event["item"]["id"]
            assert event["item"]["status"] == "in_progress"
        elif "output_index" in event:
            id_ = event["item_id"] if "item_id" in event else event["item"]["id"]
            assert id_ == ids[event["output_index"]]
    output = events[-1]["response"]["output"]
    assert [item["id"] for item in output] == list(ids.values())


def test_each_event_has_the_id_of_its_item() -> None:
    check_ids(events_of([START, *THOUGHTS, *TEXT, *CALL, *SECOND, END], tools=TOOLS))


def test_the_items_of_events_are_those_of_the_response() -> None:
    events = events_of([START, *THOUGHTS, *TEXT, *CALL, END], tools=TOOLS)
    done = [event["item"] for event in events if event["type"] == CLOSE[0]]
    assert done == events[-1]["response"]["output"]


def test_the_openai_package_collects_the_events() -> None:
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    events = events_of([START, *THOUGHTS, *TEXT, *CALL, *SECOND, END], tools=TOOLS)
    for event in events:
        state.handle_event(parsed_event(event))
    collected = state._completed_response
    assert collected is not None
    assert collected.output_text == "Hello"
    assert [item.type for item in collected.output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]


def test_a_whole_reply_is_that_of_the_last_event() -> None:
    items = [START, *THOUGHTS, *TEXT, *CALL, END]
    whole = response_of(items, tools=TOOLS)
    last = events_of(items, tools=TOOLS)[-1]["response"]
    for response in (whole, last):
        for item in [response, *response["output"]]:
            del item["id"]
    assert whole == last


def test_parts_of_a_call_after_the_next_one_are_refused() -> None:
    with pytest.raises(UpstreamError):
        response_of([START, *CALL, *SECOND, CALL[2], END], tools=TOOLS)


def test_log_probabilities_belong_to_the_text() -> None:
    tokens = [
        TokenLogprob(text, list(text.encode()), -0.5, [("x", [120], -1.0)])
        for text in ("Hel", "lo")
    ]
    items: list[GenerationItem] = [
        START,
        Delta("", [tokens[0]]),  # the text is held back
        Delta("Hello", [tokens[1]]),
        END,
    ]
    events = events_of(items, include=LOGPROBS, top_logprobs=1)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    brief = [
        {"token": text, "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -1.0}]}
        for text in ("Hel", "lo")
    ]
    assert [token for event in deltas for token in event["logprobs"]] == brief
    [part] = events[-1]["response"]["output"][0]["content"]
    assert [token["bytes"] for token in part["logprobs"]] == [[72, 101, 108], [108, 111]]
    assert events[-1]["response"]["top_logprobs"] == 1


def test_tokens_after_the_text_are_in_the_reply() -> None:
    token = TokenLogprob("", [], -0.5, [])
    [item] = response_of([START, *TEXT, Delta("", [token]), END], include=LOGPROBS)["output"]
    assert len(item["content"][0]["logprobs"]) == 1


def test_a_response_that_fails_says_so_in_two_events() -> None:
    reply = ResponseReply(call_of("Hi", stream=True))
    events = [*reply.events(START), *reply.events(TEXT[0]), *reply.failed(WorkerDied("It died."))]
    assert types(events)[-2:] == ["error", "response.failed"]
    for event in events:
        parsed_event(event)
    assert events[-2]["code"] == "worker_died"
    response = events[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert response["error"]["type"] == "worker_died"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_a_response_that_fails_before_it_begins_has_all_events() -> None:
    reply = ResponseReply(call_of("Hi", stream=True))
    events = reply.failed(InvalidParameter("No.", param="input"))
    assert types(events) == [*CREATED, "error", "response.failed"]
    assert events[-1]["response"]["error"]["code"] == "invalid_prompt"
    parsed_event(events[-1])


def test_a_response_in_the_background_is_queued_first() -> None:
    reply = ResponseReply(call_of("Hi", stream=True, background=True))
    assert parsed_response(reply.response()).status == "queued"
    events = [*reply.begin(), *reply.events(START)]
    assert types(events) == ["response.created", "response.queued", "response.in_progress"]
    for event in events:
        parsed_event(event)
    assert parsed_response(reply.response()).status == "in_progress"
    reply.cancel()
    assert parsed_response(reply.response()).status == "cancelled"
