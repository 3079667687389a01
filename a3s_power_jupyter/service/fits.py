"""Decide whether a model that is not loaded fits this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from ..contract.types import Device, Fit
from ..engine.estimate import gpu_budget


@dataclass(frozen=True)
class Machine:
    """The memory that one model may use, once all others are unloaded. Sizes are in bytes.

    Attributes
    ----------
    memory : int
        Memory of the machine.
    gpu : int
        Memory of its GPUs, which llama.cpp can use; 0 without a GPU.
    """

    memory: int
    gpu: int = 0


def fit(memory_bytes: int | UnsetType | None, machine: Machine) -> Fit:
    """Return where a model that takes `memory_bytes` in total can be loaded.

    What does not fit on the GPUs is kept in the machine's memory. None and UNSET mean unknown.
    """
    if not isinstance(memory_bytes, int):
        return "unknown"
    on_gpu = gpu_budget(machine.gpu)
    if 0 < on_gpu >= memory_bytes:
        return "gpu"
    return "memory" if memory_bytes <= machine.memory + on_gpu else "too_large"


class MachineMemory:
    """Measures the memory that one model may use.

    Parameters
    ----------
    memory : callable
        Returns the bytes of the machine's memory.
    gpus : callable
        Returns the GPUs with the memory that was free before the first load. The first call takes
        seconds on a machine with a GPU.
    """

    def __init__(
        self, memory: Callable[[], int], gpus: Callable[[], Awaitable[list[Device]]]
    ) -> None:
        self._memory = memory
        self._gpus = gpus

    async def measure(self) -> Machine:
        """Return what is free now."""
        gpus = await self._gpus()
        gpu = sum(gpu.memory_free for gpu in gpus if gpu.memory_free is not UNSET)
        return Machine(self._memory(), gpu)
