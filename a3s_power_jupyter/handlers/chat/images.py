"""Read images from requests: base64 or data URIs.

Images are only identified by their first bytes here. They are decoded in the worker, where a
crash affects one model only.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_to_bytes

from ...contract.errors import InvalidParameter
from ..fields import wrong_value

#: Most images in one request, and bytes of each.
MAX_IMAGES = 32
MAX_IMAGE_BYTES = 20 << 20

_SPACES = b" \t\r\n\f\v"
#: The alphabet of URLs (RFC 4648, section 5) has these characters in place of ``+`` and ``/``.
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def check_count(images: int, param: str) -> None:
    """Raise `InvalidParameter` if a request has more images than `MAX_IMAGES`."""
    if images > MAX_IMAGES:
        raise InvalidParameter(f"More than {MAX_IMAGES} images in one request.", param=param)


def read_image(value: Any, at: str) -> bytes:
    """Return the file in `value`: a data URI, or base64.

    Line breaks, missing padding and the URL-safe alphabet are accepted.

    Parameters
    ----------
    value : object
        Decoded JSON.
    at : str
        Path of `value` in the request.

    Raises
    ------
    InvalidParameter
        If `value` is something else, larger than `MAX_IMAGE_BYTES`, or not a JPEG, PNG or WebP
        file.
    """
    if not isinstance(value, str):
        raise wrong_value(at, "an image in base64", value)
    image = _decode(_encoded(value, at), at)
    if not _is_supported(image):
        raise InvalidParameter(f"{at} is neither a JPEG, a PNG nor a WebP file.", param=at)
    return image


def read_image_url(value: Any, at: str) -> bytes:
    """Return the file in an ``image_url``: a string as for `read_image`, or ``{"url": string}``.

    Raises
    ------
    InvalidParameter
        As `read_image`.
    """
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        raise InvalidParameter(f"{at} has no image_url.", param=at)
    return read_image(url, at)


def _encoded(text: str, at: str) -> bytes:
    """Return the base64 in a data URI, or `text` if it is not a URI."""
    scheme, colon, rest = text.partition(":")
    if not colon:  # base64 has no colon
        return text.encode(errors="replace")
    if scheme.strip().lower() != "data":
        raise InvalidParameter(
            f"{at} is not a data URI. The server fetches no URLs; send the image itself as "
            "data:image/png;base64,...",
            param=at,
        )
    kind, comma, data = rest.partition(",")
    if not comma or not kind.strip().lower().endswith(";base64"):
        raise InvalidParameter(
            f"{at} must have the form data:image/png;base64,... with the file in base64.",
            param=at,
        )
    return unquote_to_bytes(data)


def _decode(encoded: bytes, at: str) -> bytes:
    encoded = encoded.translate(_FROM_URL_SAFE, _SPACES).rstrip(b"=")
    if len(encoded) * 3 // 4 > MAX_IMAGE_BYTES:
        raise InvalidParameter(
            f"{at} is larger than {MAX_IMAGE_BYTES >> 20} MB. Scale the image down.", param=at
        )
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise InvalidParameter(
            f"{at} is not valid base64. The server reads no files; send the image itself.",
            param=at,
        ) from None


def _is_supported(image: bytes) -> bool:
    """Whether the file starts like a JPEG, PNG or WebP file."""
    if image.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return True
    return image[:4] == b"RIFF" and image[8:12] == b"WEBP"
