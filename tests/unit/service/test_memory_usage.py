"""The memory of the machine and its GPUs, as the events show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from a3s_power_jupyter.contract.types import Device, DeviceMemory, Memory
from a3s_power_jupyter.service.memory_usage import MemoryUsage, differs

GB = 1 << 30
GPU = Device("CUDA0", "gpu", "A card", memory_total=80 * GB, memory_free=70 * GB)


@dataclass
class Machine:
    """A machine with 100 GB, of which `free` are available, and its models."""

    free: int = 60 * GB
    runners: list[Any] = field(default_factory=list)
    gpus: list[Device] = field(default_factory=list)
    probes: int = 0

    def load(self, name: str, *, resident: int, mapped: int = 0, gpu: int = 0) -> None:
        worker = SimpleNamespace(memory_bytes=resident, mapped_bytes=mapped)
        info = SimpleNamespace(gpus={"CUDA0": gpu} if gpu else {})
        self.runners.append(SimpleNamespace(name=name, worker=worker, info=info))

    async def find(self) -> list[Device]:
        self.probes += 1
        return self.gpus

    def usage(self, limit: int = 0) -> MemoryUsage:
        return MemoryUsage(
            lambda: cast("list[Any]", self.runners),
            self.find,
            limit,
            total=lambda: 100 * GB,
            free=lambda: self.free,
        )


def test_ram_is_divided_without_a_rest() -> None:
    machine = Machine(free=60 * GB)
    machine.load("a", resident=10 * GB, mapped=8 * GB)
    machine.load("b", resident=3 * GB)
    machine.runners.append(SimpleNamespace(name="loading", worker=None, info=None))
    [ram] = machine.usage().now().devices
    # The 8 GB of mapped weights count as available in the system.
    assert (ram.free, ram.models) == (52 * GB, {"a": 10 * GB, "b": 3 * GB})
    assert ram.total == ram.free + ram.other + sum(ram.models.values())


def test_numbers_that_contradict_each_other_are_never_negative() -> None:
    machine = Machine(free=99 * GB)
    machine.load("a", resident=30 * GB)
    [ram] = machine.usage().now().devices
    assert (ram.free, ram.other) == (70 * GB, 0)
    machine.load("b", resident=90 * GB, mapped=90 * GB)
    [ram] = machine.usage().now().devices
    assert (ram.free, ram.other) == (0, 0)


async def test_gpus_are_found_once() -> None:
    machine = Machine(gpus=[GPU, Device("CPU", "cpu", memory_total=1, memory_free=1)])
    usage = machine.usage()
    await usage.find_gpus()
    await usage.find_gpus()
    assert machine.probes == 1
    machine.load("a", resident=GB, gpu=20 * GB)
    _, gpu = usage.now().devices
    assert gpu == DeviceMemory("CUDA0", "gpu", 80 * GB, 50 * GB, 10 * GB, {"a": 20 * GB}, "A card")


async def test_what_others_use_of_a_gpu_follows_llama_cpp() -> None:
    machine = Machine(gpus=[GPU])
    usage = machine.usage()
    await usage.find_gpus()
    machine.load("a", resident=GB, gpu=20 * GB)
    usage.refresh([msgspec.structs.replace(GPU, memory_free=30 * GB)])
    _, gpu = usage.now().devices
    assert (gpu.other, gpu.free) == (30 * GB, 30 * GB)


def test_the_limit_on_all_models() -> None:
    assert Machine().usage(limit=5).now().limit == 5
    assert b"limit" not in msgspec.json.encode(Machine().usage().now())


def test_small_changes_are_no_difference() -> None:
    def memory(free: int, **models: int) -> Memory:
        other = 1000 - free - sum(models.values())
        return Memory((DeviceMemory("RAM", "ram", 1000, free, other, models),))

    assert not differs(memory(500, a=100), memory(504, a=96))
    assert differs(memory(500, a=100), memory(510, a=100))
    assert differs(memory(500, a=100), memory(500, b=100))
    assert differs(memory(500, a=100), memory(500, a=110))
    assert differs(memory(500), Memory(()))
