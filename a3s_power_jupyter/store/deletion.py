"""Say what the deletion of a model would free and keep."""

from __future__ import annotations

from msgspec import UNSET

from ..contract.types import Deletion, Manifest
from .files import file_size
from .garbage import blobs_of
from .lookup import refuse_shared
from .model_store import ModelStore
from .prompts import prompt_folder, size_of_prompts


def preview_deletion(store: ModelStore, manifest: Manifest) -> Deletion:
    """Return what `ModelStore.delete` would free and keep now. Nothing is changed.

    Raises
    ------
    Forbidden
        If the model is in a shared home.
    PowerError
        If the store cannot be read.
    """
    snapshot = store.snapshot()
    refuse_shared(snapshot, manifest.name)
    others = [other for name, other in snapshot.manifests.items() if name != manifest.name]
    own = blobs_of([manifest])
    sharing = [other.name for other in others if blobs_of([other]) & own]
    freed = 0
    if not snapshot.unreadable:  # an unreadable manifest may refer to any blob
        used, unused = store.conversions.partition(others)
        own |= {record.sha256 for record in unused.values() if record and record.sha256}
        left = blobs_of(others, used.values())
        freed = sum(file_size(store.blobs.path(sha256)) or 0 for sha256 in own - left)
    prompts = prompt_folder(store.home, manifest)
    if all(prompt_folder(store.home, other) != prompts for other in others):
        freed += size_of_prompts(prompts)
    kept = tuple(file.path for file in manifest.files if file.path is not UNSET)
    return Deletion(freed, kept, tuple(sharing))
