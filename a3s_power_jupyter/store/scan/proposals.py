"""Propose names for models on disk."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ..formats.ggml import FILE_TYPES
from ..names import MAX_NAME_LENGTH

_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9._:/@+-]+")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_FOLDER_OF_HUB = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)")
#: Names of types of weights, in upper case.
QUANTIZATIONS = {*FILE_TYPES.values(), "MXFP4"}

#: Proposed if nothing is left of a name.
_FALLBACK = "model"


def clean(text: str) -> str:
    """Return the nearest name that a model may have.

    Accents are removed, and each run of other characters that names cannot have is a hyphen.
    """
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    )
    parts = (part.strip("-") for part in _OTHER_CHARACTERS.sub("-", letters).split("/"))
    named = (_FALLBACK + part if part.lower() == ".gguf" else part for part in parts)
    kept = [part for part in named if part.strip(".")]
    return _cut("/".join(kept), MAX_NAME_LENGTH) or _FALLBACK


def _cut(name: str, length: int) -> str:
    """Return the beginning of a name that is a name, too."""
    if len(name) <= length:
        return name
    *folders, last = name[:length].split("/")
    return "/".join([*folders, last] if last.strip(".") else folders)


class FreeNames:
    """Proposes names that are not taken. Names that differ in case only are taken, too.

    Parameters
    ----------
    taken : iterable of str
        Names of models.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.lower() for name in taken}
        self._numbers: dict[str, int] = {}

    def take(self, name: str) -> str:
        """Take and return `name`, or else the first of ``name-2``, ``name-3``, ... that is free."""
        candidate, number = name, self._numbers.get(name, 1)
        while candidate.lower() in self._taken:
            number += 1
            tail = f"-{number}"
            candidate = _cut(name, MAX_NAME_LENGTH - len(tail)) + tail
        self._numbers[name] = number
        self._taken.add(candidate.lower())
        return candidate


def repository_of(folder: str) -> str | None:
    """Return ``owner/name`` for a folder of the hub's cache, such as ``models--owner--name``."""
    match = _FOLDER_OF_HUB.fullmatch(folder)
    return None if match is None else f"{match['owner']}/{match['name']}"


def in_repository(repository: str, file: str) -> str:
    """Return the name of a GGUF file of a repository, as a pull would call it."""
    stem = stem_of(file)
    last = re.split(r"[.-]", stem)[-1].upper()
    if last in QUANTIZATIONS and "ud-" not in stem.lower():
        return clean(f"{repository}:{last}")
    return clean(f"{repository}/{file}")


def stem_of(file: str) -> str:
    """Return the name of a GGUF file without suffix and number of the shard."""
    stem = file[: -len(".gguf")] if file.lower().endswith(".gguf") else file
    return _SHARD.sub("", stem)


def is_in_hub_cache(path: Path) -> bool:
    """Return whether a path is in the folder of a repository of the hub's cache."""
    return any(repository_of(folder) is not None for folder in path.parts)


def of_path(path: Path) -> str:
    """Return a name for the file or directory at a path."""
    for index, folder in enumerate(path.parts):
        repository = repository_of(folder)
        if repository is not None:
            below = path.parts[index + 3 :]  # after snapshots and the commit
            return in_repository(repository, "/".join(below)) if below else clean(repository)
    return clean(stem_of(path.name))
