"""Images in a chat request: in parts, in messages, and in the field ``images``."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.handlers.chat.images import MAX_IMAGE_BYTES, MAX_IMAGES
from a3s_power_jupyter.handlers.openai.requests import read_chat
from support.image_files import JPEG, PNG, WEBP, image_file


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def part(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{b64(data)}"}}


def read(messages: list[dict[str, Any]], **more: Any) -> ChatRequest:
    [request] = read_chat({"model": "m", "messages": messages, **more}).requests
    assert isinstance(request, ChatRequest)
    return request


def test_parts_keep_their_order() -> None:
    content = [{"type": "text", "text": "a"}, part(PNG), {"type": "text", "text": "b"}, part(JPEG)]
    request = read([{"role": "user", "content": content}])
    kinds = [piece.get("text", piece["type"]) for piece in request.messages[0]["content"]]
    assert kinds == ["a", "image", "b", "image"]
    assert request.images == [PNG, JPEG]


def test_image_url_as_a_string_and_in_uppercase() -> None:
    url = f"DATA:image/webp;BASE64,{b64(WEBP)}"
    request = read([{"role": "user", "content": [{"type": "image_url", "image_url": url}]}])
    assert request.images == [WEBP]


def test_images_of_a_message_and_of_the_request() -> None:
    """Images precede the text. Those of the request belong to the last message of the user."""
    messages = [
        {"role": "user", "content": "one", "images": [b64(PNG)]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "so"},
    ]
    request = read(messages, images=[b64(JPEG), b64(WEBP)])
    text = {"type": "text", "text": "two"}
    assert request.messages[2]["content"] == [{"type": "image"}, {"type": "image"}, text]
    assert request.messages[1]["content"] == "yes"
    assert request.images == [PNG, JPEG, WEBP]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}], "fetches"),
        ([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}], "fetches"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}], "form"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,a"}}], "base64"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "neither"),
        ([{"type": "image_url"}], "no image_url"),
        ([{"type": "image_url", "image_url": {"url": 3}}], "no image_url"),
        ([part(image_file("GIF"))], "neither"),
    ],
)
def test_errors_name_the_part(content: list[Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as raised:
        read([{"role": "user", "content": content}])
    assert raised.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
        lambda text: f"  {text}\n",
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"data:image/png;name=a.png;base64,{text}",
        lambda text: "data:image/png;base64," + text.replace("+", "%2B").replace("=", "%3D"),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 2])
def test_forms_of_base64(changed: Callable[[str], str], size: int) -> None:
    image = PNG + b"\xfb\xef\xbe\xff" + bytes(size)  # with + and / in base64
    text = changed(b64(image))
    content = [{"type": "image_url", "image_url": {"url": text}}]
    assert read([{"role": "user", "content": "x"}], images=[text]).images == [image]
    assert read([{"role": "user", "content": "x", "images": [text]}]).images == [image]
    assert read([{"role": "user", "content": content}]).images == [image]


@pytest.mark.parametrize("text", ["a", "AA=A", "cat.png", "é", "AAAA=====B", "\ud800"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="base64") as raised:
        read([{"role": "user", "content": "x"}], images=[text])
    assert raised.value.param == "images[0]"


def test_limits() -> None:
    with pytest.raises(InvalidParameter, match="larger than 20 MB"):
        read([{"role": "user", "content": [part(PNG + bytes(MAX_IMAGE_BYTES))]}])
    with pytest.raises(InvalidParameter, match="More than 32 images"):
        read([{"role": "user", "content": [part(PNG)] * (MAX_IMAGES + 1)}])
    with pytest.raises(InvalidParameter, match="message of the user"):
        read([{"role": "system", "content": "x"}], images=[b64(PNG)])
    with pytest.raises(InvalidParameter, match="must be a list"):
        read([{"role": "user", "content": "x", "images": "AA=="}])


@pytest.mark.parametrize(
    "fields",
    [
        {"images": [b64(PNG)]},
        {"messages": [{"role": "user", "content": [part(PNG)]}]},
        {"messages": [{"role": "user", "content": "x", "images": [b64(PNG)]}]},
    ],
)
def test_images_are_part_of_the_request(fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert not read_chat(body).requests[0].images
    assert read_chat({**body, **fields}).requests[0].images
