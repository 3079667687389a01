"""The Model object: what is on disk joined with what is in memory."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from .remote.upstreams import Standing
from .runtime.resident import Resident
from .runtime.scheduler import Scheduler
from .types import Manifest, Model, State


def describe_remote(manifest: Manifest, standing: Standing) -> Model:
    """A remote model as ``GET /v1/models/{name}`` shows it: loaded when its upstream answers."""
    state: State = "unloaded"
    if standing.answers is not None:
        state = "loaded" if standing.answers else "failed"
    if standing.active:
        state = "busy"
    length = manifest.context_length
    return Model(
        **_on_disk(manifest),
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=False,
        context_length=length if standing.context_length is None else standing.context_length,
        last_used_at=UNSET if standing.last_used_at is None else standing.last_used_at,
        device="remote",
        engine="remote",
        error=UNSET if standing.error is None else standing.error.to_wire(),
    )


def describe(manifest: Manifest, scheduler: Scheduler) -> Model:
    """The model as ``GET /v1/models/{name}`` shows it now."""
    name = manifest.name
    resident = scheduler.resident(name)
    failure = scheduler.failure(name)
    state = scheduler.state(name)
    return Model(
        **_on_disk(manifest),
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=scheduler.pinned(name),
        context_length=manifest.context_length,
        error=failure.to_wire() if failure is not None else UNSET,
        **(_in_memory(resident) if resident is not None else {}),
    )


def _on_disk(manifest: Manifest) -> dict[str, Any]:
    size = manifest.size_bytes
    return {
        "id": manifest.name,
        "created": manifest.created,
        "format": manifest.format,
        "size_bytes": size,
        "size": size,
        "parameters": manifest.details,
        "default_parameters": manifest.default_parameters,
        "capabilities": manifest.capabilities,
        "source": manifest.source,
        "sha256": manifest.files[0].sha256 if len(manifest.files) == 1 else UNSET,
        "upstream": manifest.upstream,
    }


def _in_memory(resident: Resident) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if resident.last_used_at is not None:
        known["last_used_at"] = resident.last_used_at
    if resident.expires_at is not None:
        known["expires_at"] = resident.expires_at
    if resident.info is None:
        return {**known, "phase": resident.phase, "progress": resident.progress}
    info = resident.info
    known |= {"device": info.device, "num_ctx": info.num_ctx, "engine": info.engine}
    if info.notes:
        known["notes"] = info.notes
    if resident.worker is not None:
        known["memory_bytes"] = resident.worker.memory_bytes + resident.info.device_bytes
    return known
