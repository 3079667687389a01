"""Messages of Anthropic's requests: turns, images, documents, tools and thoughts."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.handlers.anthropic.requests import read_message_call
from a3s_power_jupyter.handlers.chat.images import MAX_IMAGES
from support.image_files import JPEG, PNG, WEBP

CACHED = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image"}


def read(*messages: Any, **more: Any) -> ChatRequest:
    return read_message_call({"model": "m", "messages": list(messages), **more}).request


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def image(data: bytes, **source: Any) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    given = {"type": "base64", "media_type": "image/png", "data": encoded} | source
    return {"type": "image", "source": given}


def use(id_: str, name: str = "f", **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": input_}


def result(id_: str, *content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": list(content), **more}


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_texts() -> None:
    request = read(user(text("one", **CACHED), text(""), text("two", citations=None)))
    assert request.messages == [message("user", "one\ntwo")]
    assert read({"role": "user", "content": "Hi"}).messages == [message("user", "Hi")]
    assert read(user()).messages == [message("user", "")]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be brief.", ["Be brief."]),
        ([text("Be brief.", **CACHED), text("Be kind.")], ["Be brief.\nBe kind."]),
        ("", []),
        ([], []),
        (None, []),
        ([text("x-anthropic-billing-header: cch=1;"), text("Be brief.")], ["Be brief."]),
        ("x-anthropic-billing-header: cch=1;\nBe brief.\nBe kind.", ["Be brief.\nBe kind."]),
        (
            [text("Be brief.\nx-anthropic-billing-header: 1")],
            ["Be brief.\nx-anthropic-billing-header: 1"],
        ),
    ],
)
def test_the_system_prompt(system: Any, expected: list[str]) -> None:
    request = read(user(text("Hi")), system=system)
    wanted = [message("system", content) for content in expected]
    assert request.messages == [*wanted, message("user", "Hi")]


def test_instructions_between_messages() -> None:
    later = {"role": "system", "content": "Be kind."}
    request = read(user(text("Hi")), later, user(text("So?")))
    assert [m["role"] for m in request.messages] == ["user", "system", "user"]


def test_successive_messages_of_a_role_are_one_turn() -> None:
    request = read(
        user(text("a")),
        {"role": "user", "content": "b"},
        assistant(text("c")),
        assistant(text("d")),
    )
    assert request.messages == [message("user", "a\nb"), message("assistant", "c\nd")]


def test_images() -> None:
    url = {"type": "url", "url": "data:image/webp;base64," + base64.b64encode(WEBP).decode()}
    content = [text("a"), image(PNG), text("b"), image(JPEG), {"type": "image", "source": url}]
    request = read(user(*content))
    assert request.messages == [message("user", [text("a"), IMAGE, text("b"), IMAGE, IMAGE])]
    assert request.images == [PNG, JPEG, WEBP]


@pytest.mark.parametrize(
    ("source", "param", "match"),
    [
        ({"type": "url", "url": "https://example.org/a.png"}, "url", "fetches no URLs"),
        ({"type": "file", "file_id": "file_1"}, "type", "Send the image in base64"),
        ({"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}, "data", "neither"),
        ({"type": "base64"}, "data", "must be an image"),
        ({"type": 1}, "type", "must be a string"),
        ({}, "type", "is missing"),
    ],
)
def test_an_image_that_is_not_in_the_request(
    source: dict[str, Any], param: str, match: str
) -> None:
    with pytest.raises((InvalidParameter, UnsupportedRequestFields), match=match) as caught:
        read(user(text("a")), assistant(text("b")), user({"type": "image", "source": source}))
    assert caught.value.param == f"messages[2].content[0].source.{param}"


def test_too_many_images() -> None:
    read(user(*[image(PNG)] * MAX_IMAGES))
    with pytest.raises(InvalidParameter, match="More than"):
        read(user(*[image(PNG)] * MAX_IMAGES, {"type": "image", "source": "not looked at"}))


def test_documents() -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "It is green."}
    nested = {"type": "content", "content": [text("It is blue."), image(PNG)]}
    found = {"type": "search_result", "source": "s", "title": "t", "content": [text("It is red.")]}
    request = read(
        user(
            {"type": "document", "title": "Grass", "context": "A note", "source": plain},
            {"type": "document", "source": nested, "citations": {"enabled": False}},
            found,
        )
    )
    [only] = request.messages
    texts = [part.get("text", "(image)") for part in only["content"]]
    assert "|".join(texts) == "Grass|A note|It is green.|It is blue.|(image)|t|s|It is red."


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}, ".source.type"),
        ({"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}}, ".source.type"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, ".source.type"),
        (
            {"type": "search_result", "content": [text("a")], "citations": {"enabled": True}},
            ".citations",
        ),
        ({"type": "container_upload", "file_id": "f"}, ".type"),
        ({"type": "thinking", "thinking": "a"}, ".type"),
        (use("a"), ".type"),
    ],
)
def test_a_block_that_the_user_cannot_send(block: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedRequestFields) as caught:
        read(user(text("a"), block))
    assert caught.value.param == f"messages[0].content[1]{param}"


@pytest.mark.parametrize(
    "kind",
    ["server_tool_use", "web_search_tool_result", "mcp_tool_use", "compaction", "image", "other"],
)
def test_a_block_of_a_service_of_anthropic(kind: str) -> None:
    with pytest.raises(UnsupportedRequestFields, match=f"'{kind}'") as caught:
        read(user(text("a")), assistant(text("b"), {"type": kind, "id": "x"}))
    assert caught.value.param == "messages[1].content[1].type"


def test_calls_and_their_results() -> None:
    request = read(
        user(text("Weather?")),
        assistant(text("I look."), use("toolu_1", "get_weather", city="Paris"), use("toolu_2")),
        user(
            result("toolu_1", text("18"), text("degrees")),
            {"type": "tool_result", "tool_use_id": "toolu_2", **CACHED},
            text("Well?"),
        ),
    )
    assert request.messages[1:] == [
        message(
            "assistant",
            "I look.",
            tool_calls=[
                {
                    "id": "toolu_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                },
                {
                    "id": "toolu_2",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                },
            ],
        ),
        message("tool", "18\ndegrees", tool_call_id="toolu_1", name="get_weather"),
        message("tool", "", tool_call_id="toolu_2", name="f"),
        message("user", "Well?"),
    ]
    assert request.add_generation_prompt
    assert not request.continue_final_message


def test_results_precede_the_rest_of_their_turn() -> None:
    """Their images are in the user's message, in the order of the files."""
    request = read(
        assistant(use("a"), use("b")),
        user(image(WEBP), text("c"), result("a", text("d"), image(PNG))),
        user(result("b", image(JPEG))),
    )
    assert [m["role"] for m in request.messages] == ["assistant", "tool", "tool", "user"]
    assert [m["content"] for m in request.messages[1:]] == [
        "d", "", [IMAGE, IMAGE, IMAGE, text("c")],
    ]  # fmt: skip
    assert request.images == [PNG, JPEG, WEBP]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("no such city", "Error:\nno such city"), ("Error: no", "Error: no"), ("", "Error:")],
)
def test_a_tool_that_failed(given: str, expected: str) -> None:
    failed = {"type": "tool_result", "tool_use_id": "a", "content": given, "is_error": True}
    assert read(assistant(use("a")), user(failed)).messages[1]["content"] == expected


def test_thoughts() -> None:
    request = read(
        user(text("a")),
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "secret"},
            {"type": "thinking", "thinking": "Yes.", "signature": ""},
            text("b"),
        ),
        user(text("c")),
    )
    assert request.messages[1] == message("assistant", "b", reasoning_content="Hm.\n\nYes.")


@pytest.mark.parametrize(
    ("content", "continued"), [("The answer is ", "The answer is "), ([text("A")], "A")]
)
def test_a_last_message_of_the_assistant_is_continued(content: Any, continued: str) -> None:
    request = read(user(text("a")), {"role": "assistant", "content": content})
    assert request.messages[-1] == message("assistant", continued)
    assert request.continue_final_message
    assert not request.add_generation_prompt


def test_an_empty_last_message_of_the_assistant_is_left_out() -> None:
    request = read(user(text("a")), assistant())
    assert request.messages == [message("user", "a")]
    assert request.add_generation_prompt


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "tool", "content": "a"}], "messages[0].role"),
        ([{"content": "a"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": {"type": "text"}}], "messages[0].content"),
        ([user("a")], "messages[0].content[0]"),
        ([user({"text": "a"})], "messages[0].content[0].type"),
        ([user(text(1))], "messages[0].content[0].text"),  # type: ignore[arg-type]
        ([user({"type": "image"})], "messages[0].content[0].source"),
        ([user(result("a", is_error="no"))], "messages[0].content[0].is_error"),
        ([user(result(1))], "messages[0].content[0].tool_use_id"),  # type: ignore[arg-type]
        ([user(result("a", text(1)))], "messages[0].content[0].content[0].text"),  # type: ignore[arg-type]
        ([assistant(use("a", "no name"))], "messages[0].content[0].name"),
        (
            [assistant({"type": "tool_use", "name": "f", "input": "{}"})],
            "messages[0].content[0].input",
        ),
        ([assistant({"type": "thinking"})], "messages[0].content[0].thinking"),
    ],
)
def test_a_malformed_message_names_its_field(messages: list[Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(*messages)
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["tool_calls", "function_call", "images"])
def test_content_in_a_field_of_another_dialect_is_refused(field: str) -> None:
    message = {"role": "user", "content": "Hi", field: ["x"]}
    with pytest.raises(UnsupportedRequestFields) as error:
        read(message)
    assert error.value.param == f"messages[0].{field}"
