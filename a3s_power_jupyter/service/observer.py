"""Forward the runtime's notifications to the event feed and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import UnsetType

from ..runtime.clock import Clock
from ..runtime.runner import Runner
from .changes import Change, Changes
from .throttle import Throttle

#: Seconds between two events about the use of a model, and the number of those that may come at
#: once: a load and a request have about six.
USE_INTERVAL = 1.0
USE_BURST = 8


class Metrics(Protocol):
    """The metrics that the service updates (`handlers.metrics.RuntimeMetrics`)."""

    def waiting(self, requests: int) -> None: ...
    def loaded(self, model: str, seconds: float, memory: int | None) -> None: ...
    def unloaded(self, model: str) -> None: ...
    def evicted(self, reason: str) -> None: ...
    def cache(
        self,
        model: str,
        tokens: int,
        capacity: int | UnsetType,
        prompt_cache_bytes: int | UnsetType,
    ) -> None: ...
    def gpu_memory(self, device: str, used: int) -> None: ...
    def pulled(self, received: int) -> None: ...
    def upstream_failed(self, model: str, code: str) -> None: ...


class RuntimeObserver:
    """Implements `runtime.interfaces.Observer`.

    Loads and unloads of a model are published at once, and frequent changes of its use about once a
    second.
    """

    def __init__(
        self,
        metrics: Metrics,
        changes: Changes,
        runners: Callable[[], list[Runner]],
        clock: Clock,
    ) -> None:
        self._metrics = metrics
        self._changes = changes
        self._runners = runners
        self._devices: set[str] = set()
        self._throttle = Throttle(clock, USE_INTERVAL, USE_BURST, self._publish_use)

    def changed(self, name: str) -> None:
        self._changes.publish(Change("model", name))

    def used(self, name: str) -> None:
        self._throttle(name)

    def _publish_use(self, name: str) -> None:
        self.changed(name)
        for runner in self._runners():
            stats = None if runner.worker is None else runner.worker.activity.stats
            if runner.name == name and runner.ready and stats is not None:
                self._metrics.cache(
                    name, stats.cache_tokens, stats.cache_capacity, stats.prompt_cache_bytes
                )

    def waiting(self, requests: int) -> None:
        self._metrics.waiting(requests)

    def loaded(self, name: str, seconds: float) -> None:
        workers = [r.worker for r in self._runners() if r.name == name and r.worker is not None]
        self._metrics.loaded(name, seconds, workers[0].memory_bytes if workers else None)
        self._update_device_memory()

    def evicted(self, name: str, reason: str) -> None:
        self._metrics.unloaded(name)
        self._metrics.evicted(reason)
        self._update_device_memory()

    def _update_device_memory(self) -> None:
        used = dict.fromkeys(self._devices, 0)
        for runner in self._runners():
            info = runner.info
            if info is not None and info.device_bytes:
                used[info.device] = used.get(info.device, 0) + info.device_bytes
        self._devices |= used.keys()
        for device, size in used.items():
            self._metrics.gpu_memory(device, size)
