"""Small image files for tests."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def image_file(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    """Return a file of 8 by 6 pixels, of the format `kind`, filled with ``color`` (default 0)."""
    file = io.BytesIO()
    Image.new(mode, (8, 6), options.pop("color", 0)).save(file, kind, **options)
    return file.getvalue()


PNG, JPEG, WEBP = image_file(), image_file("JPEG"), image_file("WEBP")
