"""When the memory of a child process is measured."""

from __future__ import annotations

import asyncio

import pytest

from a3s_power_jupyter.ipc import memory_guard
from a3s_power_jupyter.ipc.memory_guard import MemoryGuard

#: Seconds that hold on a slow machine.
SOON = 30


async def test_a_process_that_has_no_memory_yet_is_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = iter([0, 0, 11])
    killed = asyncio.Event()
    monkeypatch.setattr(memory_guard, "INTERVAL", 0)
    monkeypatch.setattr(memory_guard, "private_bytes", lambda _pid: next(sizes))
    guard = MemoryGuard(1, killed.set)
    guard.set_limit(10)
    async with asyncio.timeout(SOON):
        await killed.wait()
    assert guard.exceeded


async def test_a_process_that_has_exited_is_measured_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(memory_guard, "INTERVAL", 0)
    monkeypatch.setattr(memory_guard, "private_bytes", lambda pid: measured.append(pid) or 1)
    guard = MemoryGuard(7, lambda: None)
    guard.set_limit(10)
    guard.stop()
    guard.set_limit(20)
    for _ in range(10):
        await asyncio.sleep(0)
    assert measured == [7]
