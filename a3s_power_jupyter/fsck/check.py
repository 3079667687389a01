"""Check everything in the home of a store."""

from __future__ import annotations

from collections.abc import Iterator

from ..contract.errors import PowerError
from ..store.model_store import ModelStore
from .finding import Finding, Repair
from .models import (
    check_blobs,
    check_contents,
    check_conversions,
    check_files,
    check_manifests,
)
from .pulls import check_pulls

_REASONS = {
    "orphan_blob": "No model uses this file.",
    "conversion": "No model uses this conversion.",
    "partial": "The state of this download is gone, so no pull can resume it.",
    "temporary": "A process ended while it was writing this file.",
    "prompts": "These warm prompts belong to no model.",
}


def check_store(store: ModelStore, *, contents: bool) -> list[Finding]:
    """Check a store, also while servers use it. Nothing is changed.

    Parameters
    ----------
    contents : bool
        Whether to read and hash all files of models.

    Raises
    ------
    StoreUnavailable
        If the home cannot be read or written.
    """
    if not store.home.exists():
        return []
    store.check()
    with store.locked():  # so that no file comes or goes between two checks
        found = [
            *check_manifests(store),
            *check_files(store),
            *check_blobs(store),
            *check_conversions(store),
            *check_pulls(store),
            *_garbage(store),
        ]
    return [*found, *check_contents(store)] if contents else found


def _garbage(store: ModelStore) -> Iterator[Finding]:
    def collect() -> None:
        store.collect_garbage(dry_run=False)

    for removable, path in store.find_garbage():
        reason = _REASONS[removable.kind]
        yield Finding("leftover", path, reason, "", "remove it", collect, removable.size)


def repair(findings: list[Finding]) -> dict[Repair, str]:
    """Repair what can be repaired, and return the reasons of the repairs that failed."""
    failed: dict[Repair, str] = {}
    # Several findings may have the same repair.
    for action in dict.fromkeys(finding.repair for finding in findings):
        if action is None:
            continue
        try:
            action()
        except (OSError, PowerError) as error:
            failed[action] = str(error)
    return failed
