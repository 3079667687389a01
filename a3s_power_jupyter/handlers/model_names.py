"""The tag ``latest`` in the names of models, which Ollama's clients add or leave out.

Ollama's lists have ``llama3.2:latest`` for ``llama3.2``, and its users give this name to other
dialects, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.errors import InvalidModelName, ModelNotFound

if TYPE_CHECKING:
    from ..contract.types import Manifest
    from ..service.catalog import Catalog

LATEST = ":latest"


async def find(catalog: Catalog, name: str) -> Manifest:
    """Return the manifest of the model `name`, or else of that with ``:latest`` added or removed.

    Raises
    ------
    InvalidModelName, ModelNotFound, ManifestUnreadable, StoreUnavailable, ServerBusy
        As `Catalog.manifest` for `name`.
    """
    try:
        return await catalog.manifest(name)
    except ModelNotFound as error:
        try:
            return await catalog.manifest(other_spelling(name))
        except (ModelNotFound, InvalidModelName):
            raise error from None


def has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2]


def without_latest(name: str) -> str:
    return name.removesuffix(LATEST)


def other_spelling(name: str) -> str:
    """Return `name` with ``:latest`` added or removed; with another tag, `name` itself."""
    return without_latest(name) if has_tag(name) else name + LATEST


def spellings(*names: str) -> list[str]:
    """Return the names, each followed by its `other_spelling`, all distinct."""
    return [*dict.fromkeys(form for name in names for form in (name, other_spelling(name)))]
