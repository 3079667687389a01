"""Decode image files into pixels.

Only a worker process does this, because the files are untrusted input.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from PIL import Image, ImageOps, UnidentifiedImageError

from ..contract.errors import InvalidParameter
from ..contract.text import unstopped
from .base import first_line

#: Maximum number of pixels, read from the header before decoding: a file of a few kilobytes can
#: decode to gigabytes. No vision model uses this many.
MAX_PIXELS = 40_000_000

#: The documented formats. Pillow has many more decoders, some of them unmaintained.
FORMATS = ("JPEG", "PNG", "WEBP")


def decode(files: Sequence[bytes]) -> list[Image.Image]:
    """Decode images to RGB.

    The EXIF orientation is applied, transparency becomes white, and an animation is reduced to
    its first frame.

    Raises
    ------
    InvalidParameter
        If an image is broken or too large. The message names it by its number, counted from 1.
    """
    return [_decode(file, f"Image {i}") for i, file in enumerate(files, start=1)]


def _decode(file: bytes, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            image = Image.open(io.BytesIO(file), formats=FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise InvalidParameter(
                f"{name} has {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} "
                "million. Scale it down.",
                param="messages",
            )
        return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise InvalidParameter(
            f"{name} has too many pixels. Scale it down.", param="messages"
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        reason = unstopped(first_line(error))
        if isinstance(error, UnidentifiedImageError):
            reason = "it is not a JPEG, PNG or WebP file"
        raise InvalidParameter(
            f"{name} is broken and cannot be decoded: {reason}.", param="messages"
        ) from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # convert() would clip to 8 bits instead of scaling
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
