"""Build the Model object of the API from a manifest and the model's state in memory."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ..contract.types import Capability, Manifest, Model, State, UpstreamStatus
from ..remote.health import ModelHealth, ServerHealth
from ..runtime.activity import Activity
from ..runtime.runner import Runner
from ..runtime.scheduler import Scheduler


def describe_remote(manifest: Manifest, health: ModelHealth, now: float) -> Model:
    """Return the Model object of a remote model, which is loaded while its upstream answers.

    `now` is the time on the monotonic clock.
    """
    state: State = "unloaded"
    if health.answers is not None:
        state = "loaded" if health.answers else "failed"
    if health.active:
        state = "busy"
    length = manifest.context_length
    error = health.error
    has_several = len(health.servers) > 1
    return Model(
        **_from_manifest(manifest),
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=False,
        requests_running=health.active,
        context_length=length if health.context_length is None else health.context_length,
        last_used_at=UNSET if health.last_used_at is None else health.last_used_at,
        device="remote",
        engine="remote",
        error=UNSET if error is None else error.to_wire(),
        upstreams=tuple(_status(s, now) for s in health.servers) if has_several else UNSET,
    )


def _status(server: ServerHealth, now: float) -> UpstreamStatus:
    return UpstreamStatus(
        base_url=server.base_url,
        state=server.state(now),
        requests_running=server.active,
        failures=server.failures,
        error=UNSET if server.error is None else server.error.to_wire(),
    )


def describe(manifest: Manifest, scheduler: Scheduler) -> Model:
    """Return the Model object of a local model."""
    name = manifest.name
    runner = scheduler.runner(name)
    failure = scheduler.failure(name)
    state = scheduler.state(name)
    known = _from_manifest(manifest)
    if runner is not None:
        known |= _from_runner(runner, scheduler.waiting(name))
        known["capabilities"] = _capabilities(manifest, runner)
    return Model(
        **known,
        state=state,
        loaded=state in ("loaded", "busy"),
        pinned=scheduler.pinned(name),
        context_length=manifest.context_length,
        error=failure.to_wire() if failure is not None else UNSET,
    )


def _capabilities(manifest: Manifest, runner: Runner) -> tuple[Capability, ...]:
    """Return the capabilities, with those that the worker has found in the chat template."""
    if runner.info is None or runner.info.template_capabilities is None:
        return manifest.capabilities
    others = (name for name in manifest.capabilities if name not in ("tools", "reasoning"))
    return (*others, *runner.info.template_capabilities)


def _from_manifest(manifest: Manifest) -> dict[str, Any]:
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
        "generation_defaults": manifest.generation_defaults,
    }


def _from_runner(runner: Runner, waiting: int) -> dict[str, Any]:
    known: dict[str, Any] = {"requests_waiting": waiting}
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
    if info.memory is not None:
        use = info.memory
        known["memory"] = {
            "weights": use.weights,
            "cache": use.cache,
            "buffers": use.buffers,
        }
    if runner.worker is not None:
        known["memory_bytes"] = runner.worker.memory_bytes + info.device_bytes
        known["gpu_memory_bytes"] = info.device_bytes
        known |= _from_activity(runner.worker.activity, runner.running, waiting)
    return known


def _from_activity(activity: Activity, running: int, waiting: int) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if activity.stats is not None:
        known |= msgspec.structs.asdict(activity.stats)
    held = min(known.pop("requests_held", 0), running)  # the statistics may be a second old
    known |= {"requests_running": running - held, "requests_waiting": waiting + held}
    speed = activity.tokens_per_second
    if running and speed is not None:
        known["tokens_per_second"] = round(speed, 1)
    return known
