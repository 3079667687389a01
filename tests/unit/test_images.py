"""Image files on their way to a model: out of a request, and into pixels."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.engine.images import MAX_PIXELS, decode
from a3s_power_jupyter.handlers.openai.image_parts import MAX_IMAGE_BYTES, MAX_IMAGES
from a3s_power_jupyter.handlers.openai.requests import read_chat


def image_file(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (8, 6), options.pop("color", 0)).save(file, kind, **options)
    return file.getvalue()


PNG, JPEG, WEBP = image_file(), image_file("JPEG"), image_file("WEBP")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def part(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{b64(data)}"}}


def read(messages: list[dict[str, Any]], **more: Any) -> ChatRequest:
    [request] = read_chat({"model": "m", "messages": messages, **more}).requests
    assert isinstance(request, ChatRequest)
    return request


# ---------------------------------------------------------------- in a request


def test_parts_keep_their_order() -> None:
    content = [{"type": "text", "text": "a"}, part(PNG), {"type": "text", "text": "b"}, part(JPEG)]
    request = read([{"role": "user", "content": content}])
    kinds = [piece.get("text", piece["type"]) for piece in request.messages[0]["content"]]
    assert kinds == ["a", "image", "b", "image"]
    assert request.images == [PNG, JPEG]


def test_a_plain_url_and_any_case_of_the_scheme() -> None:
    url = f"DATA:image/webp;BASE64,{b64(WEBP)}"
    request = read([{"role": "user", "content": [{"type": "image_url", "image_url": url}]}])
    assert request.images == [WEBP]


def test_images_of_a_message_and_beside_the_messages() -> None:
    """They come before the text; those beside belong to the last message of the user."""
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
    ("content", "says"),
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
def test_mistakes_name_the_part(content: list[Any], says: str) -> None:
    with pytest.raises(InvalidParameter, match=says) as raised:
        read([{"role": "user", "content": content}])
    assert raised.value.param == "messages[0].content[0]"


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
def test_images_are_noticed(fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert not read_chat(body).has_images
    assert read_chat({**body, **fields}).has_images


# ---------------------------------------------------------------- into pixels


def pixels(data: bytes) -> Any:
    [image] = decode([data])
    assert image.mode == "RGB"
    return np.asarray(image)


def test_the_three_formats() -> None:
    for data in (PNG, JPEG, WEBP):
        assert pixels(data).shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (image_file(mode="L", color=128), (128, 128, 128)),
        (image_file(mode="P", color=0), (0, 0, 0)),
        (image_file(mode="RGBA", color=(255, 0, 0, 0)), (255, 255, 255)),
        (image_file(mode="LA", color=(0, 128)), (127, 127, 127)),
        (image_file(mode="I;16", color=0x8000), (128, 128, 128)),
        (image_file("JPEG", mode="CMYK", color=(0, 0, 0, 255)), (0, 0, 0)),
        (image_file(mode="1", color=1), (255, 255, 255)),
    ],
)
def test_every_mode_as_rgb(data: bytes, expected: tuple[int, ...]) -> None:
    assert np.abs(pixels(data)[0, 0].astype(int) - expected).max() <= 2


def test_upright_as_a_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert pixels(image_file("JPEG", exif=exif)).shape == (8, 6, 3)


def test_the_first_of_an_animation() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert pixels(file.getvalue())[0, 0].tolist() == [255, 0, 0]


def bomb(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 5_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_not_unfolded(size: tuple[int, int]) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    with pytest.raises(InvalidParameter, match="pixels"):
        decode([bomb(*size)])


@pytest.mark.parametrize(
    "data",
    [
        JPEG[: len(JPEG) // 2],
        WEBP[: len(WEBP) // 2],
        PNG[:20],
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"\xff\xd8\xff" + bytes(64),
        b"RIFF\0\0\0\0WEBP" + bytes(64),
        bomb(100, 100),
        image_file("GIF"),
    ],
)
def test_broken_ones_are_named(data: bytes) -> None:
    with pytest.raises(InvalidParameter, match="Image 2 is broken"):
        decode([PNG, data])
