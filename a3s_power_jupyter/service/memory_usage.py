"""The memory of the machine and its GPUs: what models, other programs and nobody use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from ..contract.types import Device, DeviceMemory, Memory
from ..runtime.memory import free_bytes, total_bytes
from ..runtime.runner import Runner

#: Changes of less than this share of a device's memory are not worth an event.
STEP = 1 / 200


@dataclass(frozen=True)
class _Gpu:
    """A GPU; `other` is what other programs use of it, in bytes."""

    description: str | UnsetType
    total: int
    other: int


class MemoryUsage:
    """Measures the memory of the machine.

    Parameters
    ----------
    runners : callable
        Returns the models in memory.
    gpus : callable
        Returns the GPUs, which may take seconds at first.
    limit : int
        Bytes that all models together may use; 0 for no limit.
    total, free : callable
        Return the bytes of RAM, and those that the system reports as available.
    """

    def __init__(
        self,
        runners: Callable[[], Iterable[Runner]],
        gpus: Callable[[], Awaitable[list[Device]]],
        limit: int,
        *,
        total: Callable[[], int] = total_bytes,
        free: Callable[[], int] = free_bytes,
    ) -> None:
        self._runners = runners
        self._find = gpus
        self._limit = limit
        self._total = total
        self._free = free
        self._gpus: dict[str, _Gpu] = {}

    async def find_gpus(self) -> None:
        """Find the GPUs, unless they are known."""
        if not self._gpus:
            self.refresh(await self._find(), loaded=False)

    def refresh(self, devices: Iterable[Device], *, loaded: bool = True) -> None:
        """Take over what llama.cpp says of the GPUs.

        Parameters
        ----------
        loaded : bool
            Whether the models in memory were loaded when it was asked.
        """
        for device in devices:
            total, free = device.memory_total, device.memory_free
            if device.kind == "gpu" and total is not UNSET and free is not UNSET:
                ours = sum(self._on(device.name).values()) if loaded else 0
                other = max(0, total - free - ours)
                self._gpus[device.name] = _Gpu(device.description, total, other)

    def now(self) -> Memory:
        """Return the memory of all devices."""
        gpus = (self._gpu(name, gpu) for name, gpu in self._gpus.items())
        return Memory((self._ram(), *gpus), self._limit or UNSET)

    def _ram(self) -> DeviceMemory:
        workers = {r.name: r.worker for r in self._runners() if r.worker is not None}
        models = {name: worker.memory_bytes for name, worker in workers.items()}
        # The system counts files that workers have mapped as available.
        mapped = sum(worker.mapped_bytes for worker in workers.values())
        total, used = self._total(), sum(models.values())
        free = max(0, min(self._free() - mapped, total - used))
        other = max(0, total - free - used)
        return DeviceMemory("RAM", "ram", total, free, other, models)

    def _gpu(self, name: str, gpu: _Gpu) -> DeviceMemory:
        models = self._on(name)
        free = max(0, gpu.total - gpu.other - sum(models.values()))
        return DeviceMemory(name, "gpu", gpu.total, free, gpu.other, models, gpu.description)

    def _on(self, gpu: str) -> dict[str, int]:
        """Return what each model has taken on a GPU."""
        taken = {r.name: r.info.gpus.get(gpu, 0) for r in self._runners() if r.info is not None}
        return {name: size for name, size in taken.items() if size}


def differs(now: Memory, before: Memory) -> bool:
    """Return whether a size has changed by more than `STEP`, or there are other models or GPUs."""
    if [device.name for device in now.devices] != [device.name for device in before.devices]:
        return True
    for new, old in zip(now.devices, before.devices, strict=True):
        if new.models.keys() != old.models.keys():
            return True
        pairs = [
            (new.free, old.free),
            *((new.models[name], old.models[name]) for name in new.models),
        ]
        if any(abs(size - size_before) > STEP * new.total for size, size_before in pairs):
            return True
    return False
