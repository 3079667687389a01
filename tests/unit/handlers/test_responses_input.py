"""Inputs of responses, and the messages that they become."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import (
    InvalidParameter,
    ResponseNotFound,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.types import Delta, Started, ToolCallDelta
from support.items import finished
from support.responses import call_of, response_of

USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "3"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def messages(input_: Any, **fields: Any) -> list[dict[str, Any]]:
    return call_of(input_, **fields).request.messages


def assistant(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "role": "assistant", "content": [part], **more}


@pytest.mark.parametrize(
    "input_",
    [
        "Hi",
        [USER],
        [{"type": "message", **USER}],
        [{"type": None, **USER}],
        [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        [{**USER, "type": "message", "id": "msg_1", "status": "completed"}],
    ],
)
def test_all_forms_of_a_message_are_one(input_: Any) -> None:
    assert messages(input_) == [USER]


def test_instructions_come_first() -> None:
    developer = {"role": "developer", "content": "Be kind."}
    assert messages([developer, USER], instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        USER,
    ]


def test_texts_of_a_message_are_lines() -> None:
    parts = [{"type": "input_text", "text": text} for text in ("a", "b")]
    assert messages([{"role": "user", "content": parts}]) == [{"role": "user", "content": "a\nb"}]


def test_an_answer_that_is_sent_back_is_read() -> None:
    answer = assistant("Hello", id="msg_1", status="completed")
    refusal = {"type": "refusal", "refusal": "No"}
    refused = {"role": "assistant", "content": [refusal]}
    assert messages([USER, answer, USER, refused, USER]) == [
        USER,
        {"role": "assistant", "content": "Hello"},
        USER,
        {"role": "assistant", "content": "No"},
        USER,
    ]


def test_what_a_model_generates_in_a_row_is_one_message() -> None:
    thoughts = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Think"}],
    }
    second = {**CALL, "call_id": "c2"}
    items = [USER, thoughts, assistant("Wait"), CALL, second, OUTPUT, {**OUTPUT, "call_id": "c2"}]
    assert messages(items) == [
        USER,
        {
            "role": "assistant",
            "content": "Wait",
            "reasoning_content": "Think",
            "tool_calls": [CALLED, {**CALLED, "id": "c2"}],
        },
        {"role": "tool", "content": "3", "tool_call_id": "c1", "name": "f"},
        {"role": "tool", "content": "3", "tool_call_id": "c2", "name": "f"},
    ]


def test_calls_with_results_between_them_are_separate_messages() -> None:
    items = [USER, CALL, OUTPUT, {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"}]
    assert [message["role"] for message in messages(items)] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]


def test_two_answers_in_a_row_stay_two() -> None:
    assert len(messages([USER, assistant("a"), assistant("b"), USER])) == 4


def test_the_output_of_a_response_is_read_as_the_message_that_it_was() -> None:
    answer = response_of(
        [
            Started(7, 3),
            Delta("", reasoning="Think"),
            Delta("Wait"),
            Delta("", tool_calls=[ToolCallDelta(0, "c1", "f", '{"a": 1}')]),
            finished("tool_calls", 7, 9),
        ]
    )["output"]
    assert messages([USER, *answer, OUTPUT])[1] == {
        "role": "assistant",
        "content": "Wait",
        "reasoning_content": "Think",
        "tool_calls": [CALLED],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"summary": [], "content": [{"type": "reasoning_text", "text": "Think"}]},
        {"summary": [{"type": "summary_text", "text": "Think"}]},
        {"summary": [{"type": "summary_text", "text": "Think"}], "encrypted_content": "gAAA"},
    ],
)
def test_thoughts_are_read_wherever_they_are(fields: dict[str, Any]) -> None:
    item = {"type": "reasoning", "id": "rs_1", **fields}
    assert messages([USER, item, assistant("a"), USER])[1]["reasoning_content"] == "Think"


def test_thoughts_come_back_in_the_encrypted_content() -> None:
    items = [Started(7, 3), Delta("", reasoning="Denk-ä"), Delta("a"), finished("stop", 7, 9)]
    [item, _] = response_of(items, include=["reasoning.encrypted_content"])["output"]
    only = {"type": "reasoning", "summary": [], "encrypted_content": item["encrypted_content"]}
    assert messages([USER, only, assistant("a"), USER])[1]["reasoning_content"] == "Denk-ä"


def test_thoughts_of_another_server_are_refused() -> None:
    item = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABo"}
    with pytest.raises(InvalidParameter) as caught:
        call_of([USER, item, USER])
    assert caught.value.param == "input[1].encrypted_content"


def test_thoughts_without_text_are_left_out() -> None:
    assert messages([{"type": "reasoning", "id": "rs_1", "summary": []}, USER]) == [USER]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_call",
        "file_search_call",
        "computer_call",
        "code_interpreter_call",
        "image_generation_call",
        "local_shell_call",
        "mcp_call",
        "custom_tool_call",
        "compaction",
        "nonsense",
    ],
)
def test_an_item_of_a_tool_that_models_do_not_have_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedRequestFields, match=kind) as caught:
        call_of([USER, {"type": kind, "id": "x"}])
    assert caught.value.param == "input[1].type"


@pytest.mark.parametrize(
    ("input_", "param"),
    [
        (None, "input"),
        (5, "input"),
        ([], "input"),
        (["Hi"], "input[0]"),
        ([{"role": "tool", "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": 5}], "input[0].content"),
        ([{**CALL, "name": "a b"}], "input[0].name"),
        ([{**CALL, "arguments": 5}], "input[0].arguments"),
        ([{"type": "function_call", "name": "f", "arguments": "{}"}], "input[0].call_id"),
        ([{**CALL, "call_id": ""}], "input[0].call_id"),
        ([OUTPUT], "input[0].call_id"),
        ([OUTPUT, CALL], "input[0].call_id"),
        ([CALL, {**OUTPUT, "output": None}], "input[1].output"),
        ([{"type": "reasoning", "summary": "x"}], "input[0].summary"),
        ([{"type": "reasoning", "summary": [{}]}], "input[0].summary[0].text"),
        ([{"type": "item_reference"}], "input[0].id"),
        ([USER] * (2**14 + 1), "input"),
    ],
)
def test_a_malformed_item_is_named(input_: Any, param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        call_of(input_)
    assert caught.value.param == param


# ---------------------------------------------------------------- stored items


def test_a_reference_stands_for_a_stored_item() -> None:
    stored = {"msg_1": assistant("Hello", id="msg_1", status="completed")}
    for reference in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}):
        assert messages([USER, reference, USER], stored=stored)[1]["content"] == "Hello"


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(ResponseNotFound):
        call_of([{"type": "item_reference", "id": "msg_1"}])


def test_a_second_reference_to_an_item_is_an_error() -> None:
    stored = {"msg_1": assistant("Hello", id="msg_1", status="completed")}
    with pytest.raises(InvalidParameter) as caught:
        call_of([{"id": "msg_1"}, {"id": "msg_1"}], stored=stored)
    assert caught.value.param == "input[1]"


def test_the_items_of_earlier_responses_precede_the_input() -> None:
    before = call_of([USER, CALL], instructions="Not carried over.").input
    request = call_of([OUTPUT], carried=before, instructions="New.").request
    assert [message["role"] for message in request.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    assert request.messages[0]["content"] == "New."


def test_an_input_is_stored_in_full_form() -> None:
    [item] = call_of("Hi").input
    assert item.pop("id").startswith("msg_")
    assert item == {
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }


def test_a_last_answer_is_continued() -> None:
    request = call_of([USER, {"role": "assistant", "content": "One,"}]).request
    assert request.continue_final_message
    ended = call_of([USER, {"role": "assistant", "content": "One,"}], continue_final_message=False)
    assert ended.request.add_generation_prompt


@pytest.mark.parametrize("field", ["tool_calls", "function_call", "images"])
def test_content_in_a_field_of_another_dialect_is_refused(field: str) -> None:
    message = {"role": "assistant", "content": "Hi", field: [{"id": "c1"}]}
    with pytest.raises(UnsupportedRequestFields) as error:
        messages([USER, message])
    assert error.value.param == f"input[1].{field}"
    assert messages([USER, message | {field: []}, USER])[1]["content"] == "Hi"


def test_items_with_the_same_id_get_ids_of_their_own() -> None:
    given = [{**USER, "id": "msg_1"}, {**USER, "id": "msg_1"}, {**CALL, "id": "fc_1"}]
    first = call_of(given).input
    assert [item["id"] for item in (first[0], first[2])] == ["msg_1", "fc_1"]
    second = call_of(given, carried=first).input
    assert len({item["id"] for item in [*first, *second]}) == 6
    assert [item["type"] for item in second] == ["message", "message", "function_call"]


def test_outputs_have_the_order_of_their_calls() -> None:
    calls = [{**CALL, "call_id": id_} for id_ in ("a", "b", "c")]
    outputs = [{**OUTPUT, "call_id": id_, "output": id_} for id_ in ("c", "a", "b")]
    found = messages([USER, *calls, *outputs])
    assert [message["content"] for message in found[2:]] == ["a", "b", "c"]
