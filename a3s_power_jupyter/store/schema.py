"""Recognize files of the store that a newer version of this package wrote."""

from __future__ import annotations

import msgspec

from .. import __version__

#: Version of the format of the states of pulls.
SCHEMA = 1
#: The newest version of the format of manifests. They are written in the oldest version that can
#: express them: several URLs of an upstream require 2.
MANIFEST_SCHEMA = 2


class _Versioned(msgspec.Struct):
    schema: int = 1


def newer_schema(text: bytes, known: int = SCHEMA) -> str:
    """Return why a JSON file of a newer version cannot be read; '' if it is not one.

    Parameters
    ----------
    known : int
        The newest version that this package reads.
    """
    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if schema <= known:
        return ""
    return (
        f"it was written by a newer version of a3s-power-jupyter (schema {schema}, and version "
        f"{__version__} reads {known}). Upgrade the package to use it"
    )
