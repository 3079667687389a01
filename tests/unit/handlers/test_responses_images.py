"""Images and files in the input of responses."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import (
    InvalidParameter,
    PowerError,
    UnsupportedRequestFields,
)
from support.image_files import PNG
from support.responses import call_of

URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "3"}


def test_images_are_read_from_messages_and_outputs() -> None:
    image = {"type": "input_image", "image_url": URI, "detail": "auto"}
    user = {"role": "user", "content": [image, {"type": "input_text", "text": "What?"}]}
    output = {**OUTPUT, "output": [{"type": "input_text", "text": "See"}, image]}
    request = call_of([user, CALL, output]).request
    assert request.images == [PNG, PNG]
    assert request.messages[0]["content"] == [{"type": "image"}, {"type": "text", "text": "What?"}]
    assert request.messages[2]["content"] == "See"
    assert request.messages[3] == {"role": "user", "content": [{"type": "image"}]}


@pytest.mark.parametrize(
    ("part", "error", "param"),
    [
        ({"type": "input_image", "file_id": "file_1"}, UnsupportedRequestFields, ".file_id"),
        ({"type": "input_image", "image_url": "https://a/b.png"}, InvalidParameter, ".image_url"),
        ({"type": "input_image"}, InvalidParameter, ".image_url"),
        ({"type": "input_file", "file_id": "file_1"}, UnsupportedRequestFields, ".type"),
        ({"type": "input_audio", "input_audio": {}}, UnsupportedRequestFields, ".type"),
        ({"type": "image_url", "image_url": {"url": URI}}, InvalidParameter, ".type"),
        ({"type": "input_text"}, InvalidParameter, ".text"),
        ("Hi", InvalidParameter, ""),
    ],
)
def test_a_part_that_is_not_supported_is_named(
    part: Any, error: type[PowerError], param: str
) -> None:
    with pytest.raises(error) as caught:
        call_of([USER, {"role": "user", "content": [part]}])
    assert caught.value.param == f"input[1].content[0]{param}"
