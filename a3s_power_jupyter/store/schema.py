"""Recognize files of the store that a newer version of this package wrote."""

from __future__ import annotations

import msgspec

from .. import __version__

#: Version of the format of manifests and of the states of pulls.
SCHEMA = 1


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA


def newer_schema(text: bytes) -> str:
    """Return why a JSON file of a newer version cannot be read; '' if it is not one."""
    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if schema <= SCHEMA:
        return ""
    return (
        f"it was written by a newer version of a3s-power-jupyter (schema {schema}, and version "
        f"{__version__} reads {SCHEMA}). Upgrade the package to use it"
    )
