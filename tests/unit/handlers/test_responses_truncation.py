"""Conversations that do not fit into the context of a model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from a3s_power_jupyter.contract.types import ChatRequest, Sampling
from a3s_power_jupyter.handlers.responses.truncation import (
    droppable,
    text_length,
    truncated,
    without,
)

SYSTEM = {"role": "system", "content": "S"}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def call(id_: str) -> list[dict[str, Any]]:
    return [
        {"role": "assistant", "content": "", "tool_calls": [{"id": id_}]},
        {"role": "tool", "content": id_, "tool_call_id": id_},
    ]


TURNS = [SYSTEM, user("1"), answer("a"), user("2"), *call("x"), answer("b"), user("3")]
LOOP = [SYSTEM, user("1"), *call("x"), *call("y"), *call("z")]


def shown(messages: list[dict[str, Any]]) -> list[str]:
    return [str(message["content"]) or "call" for message in messages]


def fit(messages: list[dict[str, Any]], num_ctx: int, **sampling: Any) -> list[str]:
    """Truncate a conversation, each message of which has ten tokens."""
    counted: list[int] = []

    async def count(request: ChatRequest) -> tuple[int, int]:
        counted.append(len(request.messages))
        return 10 * len(request.messages), num_ctx

    request = ChatRequest(messages, Sampling(**sampling))
    fitted = asyncio.run(truncated(request, count))
    assert len(counted) <= 5
    return shown(fitted.messages)


def test_a_conversation_that_fits_is_left_as_it_is() -> None:
    assert fit(TURNS, 1000) == shown(TURNS)


def test_the_oldest_turns_are_left_out_first() -> None:
    assert fit(TURNS, 90) == ["S", "2", "call", "x", "b", "3"]
    assert fit(TURNS, 40) == ["S", "3"]


def test_the_last_message_stays_if_nothing_fits() -> None:
    assert fit(TURNS, 1) == ["S", "3"]


def test_calls_after_the_last_message_of_the_user_stay_with_their_results() -> None:
    assert fit(LOOP, 90) == ["S", "1", "call", "y", "call", "z"]
    assert fit(LOOP, 1) == ["S", "1", "call", "z"]


def test_a_prompt_that_cannot_be_counted_is_too_long() -> None:
    async def count(request: ChatRequest) -> tuple[int, int] | None:
        return None if text_length(request.messages) > 5 else (1, 100)

    messages = [user("12345"), answer("a"), user("2"), answer("b"), user("3")]
    fitted = asyncio.run(truncated(ChatRequest(messages), count))
    assert shown(fitted.messages) == ["2", "b", "3"]


def test_the_length_of_a_conversation_is_that_of_its_texts() -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "abc"}]
    assert text_length([user(parts), answer("de")]) == 5


def test_room_is_kept_for_the_answer() -> None:
    assert fit(TURNS, 90, max_tokens=1) == shown(TURNS)
    assert fit(TURNS, 90, max_tokens=10_000) == ["S", "3"]


def test_a_conversation_that_begins_with_an_answer_loses_it_first() -> None:
    messages = [answer("Hello"), user("1"), answer("a"), user("2")]
    assert [list(group) for group in droppable(messages)] == [[0], [1, 2]]


@pytest.mark.parametrize("messages", [[user("1")], [SYSTEM], [SYSTEM, user("1")], []])
def test_a_short_conversation_has_nothing_to_leave_out(messages: list[dict[str, Any]]) -> None:
    assert droppable(messages) == []


def test_images_go_with_their_messages() -> None:
    image = {"type": "image"}
    messages = [user([image, image]), answer("a"), user([image])]
    request = ChatRequest(messages, images=[b"1", b"2", b"3"])
    assert without(request, droppable(messages)).images == [b"3"]


def test_system_messages_in_the_middle_stay() -> None:
    messages = [user("1"), answer("a"), SYSTEM, user("2")]
    request = ChatRequest(messages)
    assert shown(without(request, droppable(messages)).messages) == ["S", "2"]
