"""JSON files of models, which are written by anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ...contract.errors import InvalidModelDirectory
from ..files import opened, source_file

#: Bytes; the index of the largest models has some 10 MB.
MAX_SIZE = 64 << 20


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises
    ------
    InvalidModelDirectory
        It is no JSON object, or larger than any that belongs to a model.
    FileNotFound, NotAFile, PathUnreadable, FileChanged
    """
    return _as_object(path, _decoded(path))


def read_array(path: Path) -> list[Any]:
    """The JSON array in `path`; raises what `read_object` raises."""
    value = _decoded(path)
    if not isinstance(value, list):
        raise _invalid(path, "it is no JSON array")
    return value


def _as_object(path: Path, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(path, "it is no JSON object")
    return value


def _decoded(path: Path) -> object:
    source = source_file(path)
    if source.size > MAX_SIZE:
        raise _invalid(path, f"it has more than {MAX_SIZE >> 20} MiB")
    with opened(source) as file:
        text = file.read()
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(path, f"it is no JSON ({error})") from None


def _invalid(path: Path, reason: str) -> InvalidModelDirectory:
    return InvalidModelDirectory(
        f"{path} cannot be used: {reason}. Download the model again.", param="path"
    )
