"""Read the untrusted JSON files of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ...contract.errors import InvalidModelDirectory
from ..files import chunks, source_file
from .lfs import refuse_pointer

#: Bytes; the index of the largest models has about 10 MB.
MAX_SIZE = 64 << 20


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file `path`.

    Raises
    ------
    InvalidModelDirectory
        If the file is not a JSON object, or is larger than `MAX_SIZE`.
    FileNotFound, NotAFile, PathUnreadable, FileChanged
        If the file cannot be read, or changes while it is read.
    """
    value = _decoded(path)
    if not isinstance(value, dict):
        raise _invalid(path, "it is not a JSON object")
    return value


def read_optional_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file `path`, or {} if there is no such file.

    Raises as `read_object` does.
    """
    return read_object(path) if path.exists() else {}


def read_array(path: Path) -> list[Any]:
    """Return the JSON array in the file `path`. Raises as `read_object` does."""
    value = _decoded(path)
    if not isinstance(value, list):
        raise _invalid(path, "it is not a JSON array")
    return value


def _decoded(path: Path) -> object:
    source = source_file(path)
    if source.size > MAX_SIZE:
        raise _invalid(path, f"it is larger than {MAX_SIZE >> 20} MiB")
    refuse_pointer(source, InvalidModelDirectory)
    text = b"".join(chunks(source))
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(path, f"it is not valid JSON ({fault(error)})") from None


def fault(error: Exception) -> str:
    """Return what is wrong with a text that is no JSON."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _invalid(path: Path, reason: str) -> InvalidModelDirectory:
    return InvalidModelDirectory(
        f"{path} cannot be used: {reason}. Download the model again.", param="path"
    )
