"""Whether a model fits this machine."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.types import Device
from a3s_power_jupyter.service.fits import Machine, MachineMemory, fit

GB = 10**9


@pytest.mark.parametrize(
    ("need", "machine", "expected"),
    [
        (2 * GB, Machine(8 * GB), "memory"),
        (8 * GB, Machine(8 * GB), "memory"),
        (8 * GB + 1, Machine(8 * GB), "too_large"),
        (2 * GB, Machine(8 * GB, 12 * GB), "gpu"),
        (12 * GB, Machine(8 * GB, 12 * GB), "memory"),
        (20 * GB, Machine(8 * GB, 12 * GB), "too_large"),
        (GB, Machine(8 * GB, GB // 2), "memory"),
        (None, Machine(8 * GB), "unknown"),
        (UNSET, Machine(8 * GB), "unknown"),
        (0, Machine(0), "memory"),
    ],
)
def test_a_model_goes_where_it_fits(need: int | None, machine: Machine, expected: str) -> None:
    assert fit(need, machine) == expected


def test_the_machine_has_the_memory_of_all_gpus() -> None:
    async def gpus() -> list[Device]:
        return [
            Device("a", "gpu", memory_free=3 * GB),
            Device("b", "gpu"),
            Device("c", "gpu", memory_free=GB),
        ]

    assert asyncio.run(MachineMemory(lambda: 5, gpus).measure()) == Machine(5, 4 * GB)
