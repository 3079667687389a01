"""Names of models, and the files their manifests are kept in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from ..contract.errors import InvalidModelName, ModelAlreadyExists

MAX_NAME_LENGTH = 255

_NAME = re.compile(rf"[A-Za-z0-9._\-:/@+]{{1,{MAX_NAME_LENGTH}}}")
_SUFFIX = ".json"
_MAX_FILENAME = 255  # bytes, of every file system in use; a name is ASCII


def check_name(name: str) -> None:
    """Refuse what is no name of a model (contract, "Names").

    Raises
    ------
    InvalidModelName
    """
    if not _NAME.fullmatch(name):
        raise InvalidModelName(
            f"{_shown(name)} is no model name. Use 1 to {MAX_NAME_LENGTH} characters of "
            "A-Z a-z 0-9 . _ - : / @ +",
            param="name",
        )
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise InvalidModelName(
            f"{_shown(name)} is no model name: between slashes there must be something other "
            "than '.' and '..', and none may stand at an end.",
            param="name",
        )


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 80 else name[:77] + "...")


def manifest_filename(name: str, taken: Collection[str]) -> str:
    """The file for the manifest of `name` (contract, "Storage").

    Parameters
    ----------
    taken
        Files of other models, in lower case: on a file system that ignores case, ``Llama``
        and ``llama`` would be one file.

    Raises
    ------
    ModelAlreadyExists
        Another model was given the very name that this one would be kept under.
    """
    for filename in possible_filenames(name):
        if filename.lower() not in taken:
            return filename
    raise ModelAlreadyExists(
        f"The file for the model {name!r} is taken by a model of a like name. Choose another name.",
        param="name",
    )


def possible_filenames(name: str) -> list[str]:
    """The files that `name` may have, the preferred one first; long names have only the second."""
    stem = re.sub(r"[:/]", "-", name)
    tail = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{_SUFFIX}"
    distinct = stem[: _MAX_FILENAME - len(tail)] + tail
    plain = stem + _SUFFIX
    return [plain, distinct] if len(plain) <= _MAX_FILENAME else [distinct]
