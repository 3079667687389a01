"""Images in a request: data URIs (OpenAI's ``image_url``) and base64 (``images``) as bytes.

Only their first bytes are looked at here; they are decoded where a crash ends nothing but a model's
worker.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ...contract.errors import InvalidParameter

#: Images in one request, and bytes of each.
MAX_IMAGES = 32
MAX_IMAGE_BYTES = 20 << 20

_BASE64 = ";base64"


def read_image_url(value: Any, at: str) -> bytes:
    """The file in an ``image_url``: a data URI, by itself or in ``{"url": ...}``.

    Raises
    ------
    InvalidParameter
    """
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        raise InvalidParameter(f"{at} has no image_url.", param=at)
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "data":
        raise InvalidParameter(
            f"{at} is no data URI. The server fetches nothing from the network; send the image "
            "itself, as data:image/png;base64,...",
            param=at,
        )
    kind, comma, data = rest.partition(",")
    if not comma or not kind.lower().endswith(_BASE64):
        raise InvalidParameter(
            f"{at} must be of the form data:image/png;base64,..., with the file in base64.",
            param=at,
        )
    return read_base64(data, at)


def read_base64(data: Any, at: str) -> bytes:
    """A file in base64.

    Raises
    ------
    InvalidParameter
        It is no base64, too large, or neither JPEG, PNG nor WebP.
    """
    if not isinstance(data, str):
        raise InvalidParameter(f"{at} must be an image in base64.", param=at)
    if len(data) * 3 // 4 > MAX_IMAGE_BYTES + 2:
        raise InvalidParameter(
            f"{at} is larger than {MAX_IMAGE_BYTES >> 20} MB; make the image smaller.", param=at
        )
    try:
        image = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameter(f"{at} is not base64: {error}.", param=at) from None
    if not _is_known(image):
        raise InvalidParameter(f"{at} is neither a JPEG, a PNG nor a WebP file.", param=at)
    return image


def _is_known(image: bytes) -> bool:
    """Whether the file begins as JPEG, PNG or WebP files do."""
    if image.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return True
    return image[:4] == b"RIFF" and image[8:12] == b"WEBP"
