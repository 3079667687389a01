"""The Model object: what is on disk joined with what is in memory."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from .runtime.resident import Resident
from .runtime.scheduler import Scheduler
from .types import Manifest, Model


def describe(manifest: Manifest, scheduler: Scheduler) -> Model:
    """The model as ``GET /v1/models/{name}`` shows it now."""
    name = manifest.name
    resident = scheduler.resident(name)
    failure = scheduler.failure(name)
    state = scheduler.state(name)
    return Model(
        id=name,
        created=manifest.created,
        format=manifest.format,
        size_bytes=manifest.size_bytes,
        size=manifest.size_bytes,
        state=state,
        loaded=state in ("loaded", "busy"),
        parameters=manifest.details,
        default_parameters=manifest.default_parameters,
        capabilities=manifest.capabilities,
        source=manifest.source,
        pinned=scheduler.pinned(name),
        sha256=manifest.files[0].sha256 if len(manifest.files) == 1 else UNSET,
        context_length=manifest.context_length,
        upstream=manifest.upstream,
        error=failure.to_wire() if failure is not None else UNSET,
        **(_in_memory(resident) if resident is not None else {}),
    )


def _in_memory(resident: Resident) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if resident.last_used_at is not None:
        known["last_used_at"] = resident.last_used_at
    if resident.expires_at is not None:
        known["expires_at"] = resident.expires_at
    if resident.info is None:
        return {**known, "phase": "loading", "progress": resident.progress}
    info = resident.info
    known |= {"device": info.device, "num_ctx": info.num_ctx, "engine": info.engine}
    if info.notes:
        known["notes"] = info.notes
    if resident.worker is not None:
        known["memory_bytes"] = resident.worker.memory_bytes + resident.info.device_bytes
    return known
