"""The folders in which other programs keep models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...contract.types import LocalSource


class Place(NamedTuple):
    """A folder with models, which may not exist."""

    source: LocalSource
    path: Path


def known_places(variables: Mapping[str, str], home: Path) -> list[Place]:
    """Return the folders for a user.

    Sources: constants.py of huggingface_hub; LM Studio's and Ollama's documentation. Ollama's
    service on Linux has the home /usr/share/ollama.

    Parameters
    ----------
    variables : mapping of str to str
        Environment variables. Empty ones count as unset.
    home : Path
        Home directory of the user.
    """

    def folder(name: str) -> Path | None:
        value = variables.get(name)
        return _expanded(value, home) if value else None

    cache = folder("XDG_CACHE_HOME") or home / ".cache"
    hub_home = folder("HF_HOME") or cache / "huggingface"
    hub = folder("HF_HUB_CACHE") or folder("HUGGINGFACE_HUB_CACHE") or hub_home / "hub"
    ollama = folder("OLLAMA_MODELS") or home / ".ollama" / "models"
    places = [
        Place("huggingface", hub),
        Place("lmstudio", home / ".lmstudio" / "models"),
        Place("lmstudio", home / ".cache" / "lm-studio" / "models"),
        Place("ollama", ollama),
        Place("ollama", Path("/usr/share/ollama/.ollama/models")),
    ]
    return [*dict.fromkeys(places)]


def _expanded(text: str, home: Path) -> Path | None:
    """Return an absolute path, with ``~`` as the home; None for other paths."""
    path = home / text[2:] if text.startswith("~/") else Path(text)
    return path if path.is_absolute() and "\0" not in text else None
