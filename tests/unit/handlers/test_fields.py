"""The fields of a request's body."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.handlers.fields import missing_field, read_fields


class Fields(msgspec.Struct):
    messages: list[str]
    message_id: str | None = None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"mesages": []}, "'messages' is missing. Check the spelling of 'mesages'."),
        ({"Messages": []}, "'messages' is missing. Check the spelling of 'Messages'."),
        ({"prompt": "Hi"}, "'messages' is missing."),
        ({"images": []}, "'messages' is missing."),
        ({"message_id": "a"}, "'messages' is missing."),
        ({"messages": None}, "'messages' is missing."),
        ({"message_list": []}, "'messages' is missing."),
        ({"messages" * 1000: []}, "'messages' is missing."),
    ],
)
def test_a_missing_field_that_is_misspelled(body: dict[str, Any], message: str) -> None:
    aliases = {"message_list": "message_id"}
    with pytest.raises(InvalidParameter) as caught:
        read_fields(body, Fields, aliases=aliases)
    assert (caught.value.message, caught.value.param) == (message, "messages")


def test_a_missing_field_of_an_object() -> None:
    error = missing_field("name", {"nmae": 1}, at="tools[0]")
    assert error.param == "tools[0].name"
    assert error.message == "'tools[0].name' is missing. Check the spelling of 'nmae'."


def test_only_the_first_fields_of_a_body_are_compared() -> None:
    body = {f"x{i}": 1 for i in range(2**17)} | {"mesages": []}
    assert missing_field("messages", body).message == "'messages' is missing."
