"""The Model object: what is on disk joined with what is in memory."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..contract.types import Manifest, Model, State
from ..remote.upstreams import UpstreamHealth
from ..runtime.runner import Runner
from ..runtime.scheduler import Scheduler


def describe_remote(manifest: Manifest, health: UpstreamHealth) -> Model:
    """A remote model as ``GET /v1/models/{name}`` shows it: loaded when its upstream answers."""
    state: State = "unloaded"
    if health.answers is not None:
        state = "loaded" if health.answers else "failed"
    if health.active:
        state = "busy"
    length = manifest.context_length
    return Model(
        **_on_disk(manifest),
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=False,
        context_length=length if health.context_length is None else health.context_length,
        last_used_at=UNSET if health.last_used_at is None else health.last_used_at,
        device="remote",
        engine="remote",
        error=UNSET if health.error is None else health.error.to_wire(),
    )


def describe(manifest: Manifest, scheduler: Scheduler) -> Model:
    """The model as ``GET /v1/models/{name}`` shows it now."""
    name = manifest.name
    runner = scheduler.runner(name)
    failure = scheduler.failure(name)
    state = scheduler.state(name)
    return Model(
        **_on_disk(manifest),
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=scheduler.pinned(name),
        context_length=manifest.context_length,
        error=failure.to_wire() if failure is not None else UNSET,
        **(_in_memory(runner) if runner is not None else {}),
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


def _in_memory(runner: Runner) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if runner.last_used_at is not None:
        known["last_used_at"] = runner.last_used_at
    if runner.expires_at is not None:
        known["expires_at"] = runner.expires_at
    if runner.info is None:
        return {**known, "phase": runner.phase, "progress": runner.progress}
    info = runner.info
    known |= {"device": info.device, "num_ctx": info.num_ctx, "engine": info.engine}
    if info.notes:
        known["notes"] = info.notes
    if runner.worker is not None:
        known["memory_bytes"] = runner.worker.memory_bytes + runner.info.device_bytes
    return known
