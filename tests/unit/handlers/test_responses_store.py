"""The responses that a server keeps, and the lists of their items."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, ResponseNotFound
from a3s_power_jupyter.contract.types import Delta, Started
from a3s_power_jupyter.handlers.responses.pages import read_page
from a3s_power_jupyter.handlers.responses.replies import ResponseReply
from a3s_power_jupyter.handlers.responses.store import ResponseStore, StoredResponse
from support.items import finished
from support.openai_responses import parsed_items
from support.responses import call_of

MIB = 2**20


def stored(input_: Any = "Hi", answer: str = "Hello", **fields: Any) -> StoredResponse:
    call = call_of(input_, **fields)
    reply = ResponseReply(call)
    for item in (Started(1, 0), Delta(answer), finished("stop", 1, 1)):
        reply.events(item)
    return StoredResponse(reply.response(), call.input)


def test_a_response_is_kept_until_it_is_deleted() -> None:
    store = ResponseStore(MIB)
    response = stored()
    store.add(response)
    assert store.get(response.id).response["id"] == response.id
    store.delete(response.id)
    with pytest.raises(ResponseNotFound, match="store: false"):
        store.get(response.id)
    with pytest.raises(ResponseNotFound):
        store.delete(response.id)


def test_the_response_used_least_recently_is_dropped_first() -> None:
    store = ResponseStore(MIB, max_responses=2)
    first, second, third = stored(), stored(), stored()
    store.add(first)
    store.add(second)
    store.get(first.id)
    store.add(third)
    store.get(first.id)
    with pytest.raises(ResponseNotFound):
        store.get(second.id)


def test_the_bytes_of_all_responses_are_limited() -> None:
    large = stored("x" * 1000)
    store = ResponseStore(3 * large.size())
    kept = [stored("x" * 1000) for _ in range(10)]
    for response in kept:
        store.add(response)
    for response in kept[:7]:
        with pytest.raises(ResponseNotFound):
            store.get(response.id)
    for response in kept[8:]:
        store.get(response.id)


def test_a_response_that_is_too_large_is_not_kept_and_drops_no_other() -> None:
    store = ResponseStore(stored().size() * 2)
    small, large = stored(), stored("x" * 100_000)
    store.add(small)
    store.add(large)
    assert store.get(small.id) is small
    with pytest.raises(ResponseNotFound):
        store.get(large.id)


def test_many_small_items_count_with_what_they_take_in_memory() -> None:
    message = {"role": "user", "content": ""}
    assert stored([message] * 1000).size() - stored([message]).size() > 999 * 768
    part = {"type": "input_text", "text": ""}
    many = stored([{"role": "user", "content": [part] * 1000}])
    assert many.size() - stored([message]).size() > 999 * 256


def test_nothing_is_kept_without_memory() -> None:
    store = ResponseStore(0)
    response = stored()
    store.add(response)
    with pytest.raises(ResponseNotFound):
        store.get(response.id)


def test_a_conversation_is_its_chain_of_responses() -> None:
    store = ResponseStore(MIB)
    first = stored("One", "Eins", instructions="Not carried over.")
    second = stored("Two", "Zwei", previous_response_id=first.id)
    for response in (first, second):
        store.add(response)
    items, size = store.history(second.id)
    assert [item["content"][0]["text"] for item in items] == ["One", "Eins", "Two", "Zwei"]
    assert size > 0
    store.delete(first.id)
    with pytest.raises(ResponseNotFound) as caught:
        store.history(second.id)
    assert caught.value.param == "previous_response_id"


def test_a_conversation_in_use_is_kept_as_a_whole() -> None:
    store = ResponseStore(MIB, max_responses=3)
    first = stored()
    second = stored(previous_response_id=first.id)
    other = stored()
    for response in (first, second, other):
        store.add(response)
    store.history(second.id)
    store.add(stored())
    store.history(second.id)


def test_only_a_complete_response_can_be_continued() -> None:
    store = ResponseStore(MIB)
    call = call_of("Hi")
    reply = ResponseReply(call)
    reply.events(Started(1, 0))
    store.add(StoredResponse(reply.response(), call.input))
    with pytest.raises(InvalidParameter, match="in progress"):
        store.history(reply.id)


def test_items_are_found_by_their_ids_until_their_response_is_dropped() -> None:
    store = ResponseStore(MIB)
    response = stored()
    store.add(response)
    [question, answer] = response.items()
    assert store.item(question["id"], "input[0]") == question
    assert store.item(answer["id"], "input[0]") == answer
    store.delete(response.id)
    with pytest.raises(ResponseNotFound) as caught:
        store.item(answer["id"], "input[0]")
    assert caught.value.param == "input[0]"


@pytest.mark.parametrize("deleted", [0, 1])
def test_an_item_that_two_responses_have_is_found_while_one_is_kept(deleted: int) -> None:
    store = ResponseStore(MIB)
    message = {"id": "msg_mine", "role": "user", "content": "Hi"}
    both = [stored([message]), stored([message])]
    for response in both:
        store.add(response)
    store.delete(both.pop(deleted).id)
    assert store.item("msg_mine", "input[0]")["id"] == "msg_mine"
    store.delete(both[0].id)
    with pytest.raises(ResponseNotFound):
        store.item("msg_mine", "input[0]")


# ---------------------------------------------------------------- pages

ITEMS = [
    *call_of(
        [
            {"role": "user", "content": "Hi"},
            {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think"}]},
            {"role": "assistant", "content": "Wait"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "3"},
        ]
    ).input
]


def page(**query: str) -> dict[str, Any]:
    found = read_page(ITEMS, lambda name, default: query.get(name, default))
    parsed_items(found)
    return found


def test_items_are_listed_from_the_newest_to_the_oldest() -> None:
    found = page()
    assert found["data"] == ITEMS[::-1]
    assert (found["first_id"], found["last_id"]) == (ITEMS[-1]["id"], ITEMS[0]["id"])
    assert not found["has_more"]


def test_pages_follow_each_other() -> None:
    first = page(order="asc", limit="4")
    assert first["data"] == ITEMS[:4]
    assert first["has_more"]
    second = page(order="asc", limit="4", after=first["last_id"])
    assert second["data"] == ITEMS[4:]
    assert not second["has_more"]
    assert page(order="asc", after=second["last_id"])["data"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "x"), ("order", "up"), ("after", "x")],
)
def test_a_malformed_query_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        page(**{name: value})
    assert caught.value.param == name
