"""Image files as pixels; only a worker process decodes them, for they are hostile input."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from PIL import Image, ImageOps, UnidentifiedImageError

from ..contract.errors import InvalidParameter

#: Pixels of one image, by its header: a file of kilobytes may unfold to gigabytes. No vision model
#: looks at as many.
MAX_PIXELS = 40_000_000

#: The formats of the contract; Pillow has many more decoders, some of them old.
FORMATS = ("JPEG", "PNG", "WEBP")


def decode(files: Sequence[bytes]) -> list[Image.Image]:
    """RGB images, upright as their EXIF says, transparency on white; of an animation the first.

    Raises
    ------
    InvalidParameter
        An image is broken or too large; it is named by its number, counted from 1.
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
                f"{name} has {width} x {height} pixels; {MAX_PIXELS // 10**6} million are the "
                "limit. Make it smaller.",
                param="messages",
            )
        return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise InvalidParameter(f"{name} has too many pixels.", param="messages") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "neither JPEG, PNG nor WebP"
        raise InvalidParameter(
            f"{name} is broken and cannot be decoded: {reason}.", param="messages"
        ) from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # converting would cut to 8 bits, not scale
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
