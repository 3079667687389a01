"""Replies of responses, read by the types of the ``openai`` package."""

from __future__ import annotations

from openai.types.responses import Response

from a3s_power_jupyter.contract.types import Delta, GenerationItem, Started, ToolCallDelta
from support.items import finished
from support.openai_responses import as_json
from support.responses import call_of, events_of, response_of

START = Started(7, 3)
END = finished("stop", 7, 9, 3)
CUT = finished("length", 7, 9)
TEXT: list[GenerationItem] = [Delta("Hel"), Delta("lo")]
THOUGHTS: list[GenerationItem] = [Delta("", reasoning="I "), Delta("", reasoning="think")]
CALLS: list[GenerationItem] = [
    Delta("", tool_calls=[ToolCallDelta(0, "call_a", "f", '{"a": 1}')]),
    Delta("", tool_calls=[ToolCallDelta(1, "call_b", "g", "{}")]),
]
TOOLS = [{"type": "function", "name": name} for name in ("f", "g")]


def test_counts_and_status_of_a_complete_response() -> None:
    response = response_of([START, *TEXT, END])
    assert response["status"] == "completed"
    assert response["incomplete_details"] is None
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 16,
    }
    assert Response.model_validate(response).output_text == "Hello"


def test_an_answer_that_is_cut_off_is_incomplete() -> None:
    response = response_of([START, *THOUGHTS, *TEXT, CUT], max_output_tokens=9)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


def test_thoughts_are_content_or_what_stands_for_a_summary() -> None:
    items = [START, *THOUGHTS, *TEXT, END]
    [item, _] = response_of(items)["output"]
    assert item["content"] == [{"type": "reasoning_text", "text": "I think"}]
    assert item["summary"] == []
    for field in ("summary", "generate_summary"):
        response = response_of(items, reasoning={field: "detailed"})
        [item, _] = response["output"]
        assert item["summary"] == [{"type": "summary_text", "text": "I think"}]
        assert "content" not in item
        assert response["reasoning"]["summary"] == "detailed"


def test_calls_have_the_identifiers_of_the_model_and_their_own() -> None:
    first, second = response_of([START, *CALLS, END], tools=TOOLS)["output"]
    assert (first["call_id"], first["name"], first["arguments"]) == ("call_a", "f", '{"a": 1}')
    assert (second["call_id"], second["name"], second["arguments"]) == ("call_b", "g", "{}")
    assert first["id"] != second["id"]


def test_a_call_in_a_namespace_has_it_beside_its_name() -> None:
    member = {"type": "function", "name": "g", "description": "D", "parameters": {}, "strict": None}
    space = {"type": "namespace", "name": "mcp__a__", "description": "A", "tools": [member]}
    items = [START, Delta("", tool_calls=[ToolCallDelta(0, "c", "mcp__a__g", "{}")]), END]
    response = response_of(items, tools=[space])
    [item] = response["output"]
    assert (item["namespace"], item["name"]) == ("mcp__a__", "g")
    assert response["tools"] == [space]
    again = call_of([{"role": "user", "content": "Hi"}, item])
    [call] = again.request.messages[1]["tool_calls"]
    assert call["function"]["name"] == "mcp__a__g"
    events_of(items, tools=[space])


def test_a_reply_has_the_fields_of_its_request() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    text = {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}}
    fields = {
        "instructions": "Be brief.",
        "max_output_tokens": 20,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "temperature": 0.5,
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [{"type": "function", "name": "f", "parameters": schema, "strict": True}],
        "top_p": 0.25,
        "truncation": "auto",
        "user": "u",
    }
    response = response_of([START, *TEXT, END], **fields, text=text, reasoning={"effort": "high"})
    tool = fields.pop("tools")
    assert {name: response[name] for name in fields} == fields
    assert response["tools"] == [{**tool[0], "description": None}]  # type: ignore[index]
    assert response["text"]["format"] == {**text["format"], "description": None}
    assert response["reasoning"] == {"effort": "high", "summary": None}
    assert as_json(response)["model"] == "m"
