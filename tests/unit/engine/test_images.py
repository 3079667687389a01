"""Decode image files into RGB pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.engine.images import MAX_PIXELS, decode
from support.image_files import JPEG, PNG, WEBP, image_file


def pixels(data: bytes) -> Any:
    [image] = decode([data])
    assert image.mode == "RGB"
    return np.asarray(image)


def test_png_jpeg_and_webp_are_decoded() -> None:
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
def test_every_mode_becomes_rgb(data: bytes, expected: tuple[int, ...]) -> None:
    assert np.abs(pixels(data)[0, 0].astype(int) - expected).max() <= 2


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    assert pixels(image_file("JPEG", exif=exif)).shape == (8, 6, 3)


def test_an_animation_becomes_its_first_frame() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert pixels(file.getvalue())[0, 0].tolist() == [255, 0, 0]


def bomb(width: int, height: int) -> bytes:
    """A PNG file of a few bytes with these dimensions in its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 5_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_not_decoded(size: tuple[int, int]) -> None:
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
def test_a_broken_image_is_named_by_its_number(data: bytes) -> None:
    with pytest.raises(InvalidParameter, match="Image 2 is broken"):
        decode([PNG, data])
