"""What is on disk under a name before a pull of it begins."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from ..contract.errors import FileChanged, FileNotFound, ModelNotFound
from ..contract.types import Manifest
from ..store.model_store import ModelStore
from .states import PullState, PullStates


class Found(NamedTuple):
    """The model, whether it can be used, and its last pull."""

    manifest: Manifest | None
    usable: bool
    state: PullState | None


def look(store: ModelStore, states: PullStates, name: str) -> Found:
    """What there is.

    Raises
    ------
    ManifestUnreadable
    """
    state = states.read(name)
    try:
        manifest = store.get(name)
    except ModelNotFound:
        return Found(None, False, state)
    try:
        store.resolve(manifest)
    except (FileNotFound, FileChanged):
        # A pull mends what was pulled; what the user registered is left alone.
        return Found(manifest, manifest.source.reference is UNSET, state)
    return Found(manifest, True, state)
