"""Check a store, and repair it."""

from __future__ import annotations

from pathlib import Path

from a3s_power_jupyter.fsck.check import check_store, repair
from a3s_power_jupyter.fsck.finding import Finding
from a3s_power_jupyter.store import ModelStore


def found(store: ModelStore, *, contents: bool = True) -> list[Finding]:
    return check_store(store, contents=contents)


def only(store: ModelStore, kind: str) -> Finding:
    [finding] = found(store)
    assert finding.kind == kind
    return finding


def mended(store: ModelStore) -> list[Finding]:
    """Repair, and return what a second check finds."""
    repaired(store)
    return found(store)


def repaired(store: ModelStore) -> int:
    """Repair, and return the bytes that this freed."""
    outcomes = repair(found(store)).values()
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    return sum(outcome.freed for outcome in outcomes)


def content_of(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
