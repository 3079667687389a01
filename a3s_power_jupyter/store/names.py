"""Check model names, and map them to manifest file names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from ..contract.errors import InvalidModelName, ModelAlreadyExists
from ..contract.text import quoted

MAX_NAME_LENGTH = 255

#: Suffix of the file name of a manifest.
SUFFIX = ".json"

_NAME = re.compile(rf"[A-Za-z0-9._\-:/@+]{{1,{MAX_NAME_LENGTH}}}")
_MAX_FILENAME = 255  # bytes; NAME_MAX of Linux, and the limit of APFS and NTFS. Names are ASCII


def check_name(name: str) -> None:
    """Check that `name` is a valid model name.

    Raises
    ------
    InvalidModelName
        If it is not.
    """
    if not name:
        raise InvalidModelName(
            f"The name is empty. Use 1 to {MAX_NAME_LENGTH} characters.", param="name"
        )
    if not _NAME.fullmatch(name):
        raise InvalidModelName(
            f"{_shown(name)} is not a valid model name. Use 1 to {MAX_NAME_LENGTH} of the "
            "characters A-Z a-z 0-9 . _ - : / @ +",
            param="name",
        )
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise InvalidModelName(
            f"{_shown(name)} is not a valid model name. It must not start or end with a slash, "
            "and the parts between slashes must not be empty, '.' or '..'.",
            param="name",
        )


def _shown(name: str) -> str:
    return quoted(name if len(name) <= 80 else name[:77] + "...")


def manifest_filename(name: str, taken: Collection[str]) -> str:
    """Return the file name for the manifest of a model.

    Parameters
    ----------
    name : str
        Name of the model.
    taken : collection of str
        File names of other models in lower case, because ``Llama`` and ``llama`` are the same file
        on a case-insensitive file system.

    Raises
    ------
    ModelAlreadyExists
        If all possible file names are taken.
    """
    for filename in possible_filenames(name):
        if filename.lower() not in taken:
            return filename
    raise ModelAlreadyExists(
        f"The manifest file for {name!r} belongs to a model with a similar name. Choose another "
        "name.",
        param="name",
    )


def possible_filenames(name: str) -> list[str]:
    """Return the possible file names for the manifest of a model, the preferred one first."""
    stem = re.sub(r"[:/]", "-", name)
    tail = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{SUFFIX}"
    distinct = stem[: _MAX_FILENAME - len(tail)] + tail
    plain = stem + SUFFIX
    return [plain, distinct] if len(plain) <= _MAX_FILENAME else [distinct]
