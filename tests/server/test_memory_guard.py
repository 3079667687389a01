"""Memory limits of real child processes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil
import pytest

from a3s_power_jupyter.ipc.child import Child
from a3s_power_jupyter.ipc.environment import offline_environment
from a3s_power_jupyter.ipc.memory_guard import INTERVAL, private_bytes
from support.echo_child import ECHO_DECODER, Command, Echo

MIB = 2**20

#: Allocates memory step by step, as soon as something arrives on stdin.
GROW = "import sys; sys.stdin.buffer.read(1); kept = []\nwhile True: kept.append(b'x' * 2**22)"

#: Allocates 2 GiB at once, and goes on if that fails.
REFUSED = """
import sys, time
sys.stdin.buffer.read(1)
try:
    bytearray(2**31)
except MemoryError:
    sys.exit('refused')
"""


@dataclass(frozen=True)
class Running:
    child: Child[Command, Echo]
    exited: asyncio.Event


@asynccontextmanager
async def running(code: str) -> AsyncIterator[Running]:
    exited = asyncio.Event()
    child: Child[Command, Echo] = Child(
        "the greedy process",
        (sys.executable, "-c", code),
        offline_environment(),
        ECHO_DECODER,
        print,
        exited.set,
        logging.getLogger("test"),
    )
    try:
        yield Running(child, exited)
    finally:
        await child.stop()


async def test_a_process_above_its_limit_is_killed_with_a_reason() -> None:
    async with running(GROW) as greedy:
        greedy.child.limit_memory(100 * MIB)
        greedy.child.send(Echo("go"))
        await greedy.exited.wait()
        assert greedy.child.exceeded_memory
        assert greedy.child.exit_reason() == "it exceeded its memory limit of 0.1 GiB"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
async def test_linux_refuses_an_allocation_above_the_limit() -> None:
    async with running(REFUSED) as greedy:
        greedy.child.limit_memory(1024 * MIB, refuse=True)
        greedy.child.send(Echo("go"))
        await greedy.exited.wait()
        assert greedy.child.exit_reason().endswith("refused")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
@pytest.mark.parametrize(
    ("log", "exceeded"),
    [
        ("memory allocation of 100 bytes failed", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("MemoryError: std::bad_alloc\nfree(): invalid pointer", False),
    ],
    ids=["Rust", "C++", "an earlier MemoryError"],
)
async def test_a_process_that_aborts_without_memory_exceeded_its_limit(
    log: str, exceeded: bool
) -> None:
    code = f"import os, sys; sys.stdin.buffer.read(1); os.write(2, {log!r}.encode()); os.abort()"
    async with running(code) as greedy:
        greedy.child.limit_memory(1024 * MIB, refuse=True)
        greedy.child.send(Echo("go"))
        await greedy.exited.wait()
        assert greedy.child.exceeded_memory == exceeded


async def test_a_limit_can_be_raised() -> None:
    async with running(GROW) as greedy:
        greedy.child.limit_memory(100 * MIB)
        greedy.child.limit_memory(200 * MIB)
        await asyncio.sleep(3 * INTERVAL)
        assert not greedy.exited.is_set()
        greedy.child.limit_memory(MIB)
        await greedy.exited.wait()
        assert greedy.child.exceeded_memory


async def test_nothing_is_measured_after_the_exit() -> None:
    async with running("") as short:
        short.child.limit_memory(1024 * MIB)
        await short.exited.wait()
        assert not short.child.exceeded_memory
        assert private_bytes(short.child.pid) == 0
        assert not psutil.pid_exists(short.child.pid)
