"""Check everything in the home of a store, and repair it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import NotAFile, PowerError, StoreUnavailable
from ..store.blobs import BLOBS
from ..store.conversions import CONVERSIONS
from ..store.directories import check_writable, directory_entries
from ..store.garbage import PULLS
from ..store.manifest import MANIFESTS
from ..store.model_store import ModelStore
from ..store.os_errors import obstacle, reading_store
from ..store.prompts import PROMPTS
from .contents import check_contents
from .finding import Finding, Repair, cannot_read, is_there, phrase
from .models import check_blobs, check_conversions, check_files, check_manifests
from .pulls import check_pulls

_REASONS = {
    "orphan_blob": "No model uses this file.",
    "conversion": "No model uses this conversion.",
    "partial": "The state of this download is gone, so no pull can resume it.",
    "temporary": "A process ended while it was writing this file.",
    "prompts": "These warm prompts belong to no model.",
}

Check = Callable[[ModelStore], Iterator[Finding]]


@dataclass(frozen=True)
class Outcome:
    """The result of a repair.

    Attributes
    ----------
    freed : int
        Bytes.
    error : str or None
        Why it failed, as a phrase; None if it did not.
    """

    freed: int = 0
    error: str | None = None


def check_store(store: ModelStore, *, contents: bool) -> list[Finding]:
    """Check a store, also while servers use it. Nothing is changed, and reading it is enough.

    Parameters
    ----------
    contents : bool
        Whether to read and hash all files of models.

    Raises
    ------
    StoreUnavailable
        If the home does not exist or is no store, or if its manifests cannot be read.
    """
    with reading_store(store.home):
        if (reason := _no_store(store.home)) is not None:
            raise StoreUnavailable(
                f"There is no model store to check: {reason}. To check another directory, use "
                "--home or A3S_POWER_HOME."
            )
        found = _check_locked(store)
        if contents:
            found += _readable(store, check_contents)
    return [*dict.fromkeys(found)]  # several checks may say that a folder cannot be read


def _no_store(home: Path) -> str | None:
    """Return why a folder is no store, as a phrase; None if it is one."""
    if not home.exists():
        return obstacle(home) or f"{home} does not exist"
    # A pull that has just begun has only its state.
    folders = (MANIFESTS.parent, PULLS)
    if any(is_there(home / folder) for folder in folders):
        return None
    return f"{home} has no folder {MANIFESTS.parent}, in which a store keeps its models"


def _check_locked(store: ModelStore) -> list[Finding]:
    """Check a store while nothing comes or goes, if this user may use its lock."""
    try:
        with store.locked_for_reading() as is_locked:
            found = [*_check(store)]
            if not is_locked and any(finding.kind != "note" for finding in found):
                found += _unlocked(store.lock_path)
            return found
    except NotAFile as error:
        reason = f"The lock of the store cannot be used, so nothing can change: {phrase(error)}."
        problem = Finding("problem", store.lock_path, reason, "Remove it.")
        return [problem, *_check(store)]


def _check(store: ModelStore) -> Iterator[Finding]:
    checks = (
        check_manifests,
        _check_folders,
        check_files,
        check_blobs,
        check_conversions,
        check_pulls,
        _garbage,
    )
    for check in checks:
        yield from _readable(store, check)


def _readable(store: ModelStore, check: Check) -> Iterator[Finding]:
    """Check as far as the operating system allows it."""
    try:
        yield from check(store)
    except OSError as error:
        path = store.home if error.filename is None else Path(os.fsdecode(error.filename))
        yield cannot_read(path, error)


def _check_folders(store: ModelStore) -> Iterator[Finding]:
    """Find folders that cannot be read: searching them with `glob` finds nothing in them."""
    for folder in (BLOBS, CONVERSIONS, PULLS, PROMPTS):
        try:
            with directory_entries(store.home / folder):
                pass
        except OSError as error:
            yield _private(store, folder) or cannot_read(store.home / folder, error)


def _private(store: ModelStore, folder: Path) -> Finding | None:
    """Return a note if a folder of another user's store is not meant to be read by others."""
    if folder not in (PULLS, PROMPTS) or _may_write(store.home):
        return None
    reason = "It is for the owner of the store only, so it is not checked."
    return Finding("note", store.home / folder, reason)


def _may_write(home: Path) -> bool:
    try:
        check_writable(home)
    except OSError:
        return False
    return True


def _unlocked(lock: Path) -> Iterator[Finding]:
    """Explain findings without the store's lock. Nobody has it while its file does not exist."""
    if lock.exists():
        reason = "This user may not use the lock, so a server may have changed files meanwhile."
        yield Finding("note", lock, reason, "Check again before you act on a finding.")


def _garbage(store: ModelStore) -> Iterator[Finding]:
    def collect() -> int:
        return sum(removed.size for removed in store.collect_garbage(dry_run=False))

    repair = Repair(collect)
    for removable, path in store.find_garbage():
        reason = _REASONS[removable.kind]
        yield Finding("leftover", path, reason, repair=repair, size=removable.size)
    if store.snapshot().unreadable:
        yield Finding(
            "note",
            store.home / BLOBS,
            "Unused blobs, conversions and warm prompts are neither listed nor removed: a manifest "
            "that cannot be read may refer to them.",
            "Check again when all manifests can be read.",
        )


def repair(findings: list[Finding]) -> dict[Repair, Outcome]:
    """Repair what can be repaired, and return what came of each repair."""
    repairs = dict.fromkeys(finding.repair for finding in findings if finding.repair is not None)
    return {one: _run(one) for one in repairs}


def _run(repair: Repair) -> Outcome:
    try:
        return Outcome(repair.run())
    except (OSError, PowerError) as error:
        return Outcome(error=phrase(error))
