"""The probe of the machine's engines and devices, in a real process."""

from __future__ import annotations

import logging
import sys

import pytest

from a3s_power_jupyter.runtime import probe
from a3s_power_jupyter.runtime.probe import MachineProbe
from support.fakes import FakeClock

LOG = logging.getLogger("test")


async def test_the_engines_and_the_devices_are_reported() -> None:
    machine = MachineProbe(LOG)
    result = await machine.get()
    assert {"llama.cpp", "transformers"} == set(result.engines)
    assert result.engines["llama.cpp"].available
    assert any(device.kind == "cpu" for device in result.devices)
    assert await machine.get() is result


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([sys.executable, "-c", "raise ImportError('no such library')"], "no such library"),
        (["/nonexistent/python"], "could not be started"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "did not answer within 1 seconds"),
        (
            [sys.executable, "-c", "import os; os.kill(os.getpid(), 19)"],
            "did not answer within 1 seconds",
        ),
    ],
)
async def test_a_failed_probe_is_reported_as_the_status_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, command: list[str], reason: str
) -> None:
    monkeypatch.setattr(probe, "WORKER_COMMAND", command)
    monkeypatch.setattr(probe, "PROBE_TIMEOUT", 1.0)
    result = await MachineProbe(LOG).get()
    status = result.engines["llama.cpp"]
    assert not status.available
    assert reason in status.reason


async def test_a_failed_probe_is_repeated_after_a_pause_that_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    machine = MachineProbe(LOG, clock=clock)

    async def attempts(seconds: float) -> bool:
        """Return whether the machine is probed after `seconds`."""
        previous = machine._probing
        clock.now += seconds
        assert not (await machine.get()).engines["llama.cpp"].available
        return machine._probing is not previous

    monkeypatch.setattr(probe, "WORKER_COMMAND", ["/nonexistent/python"])
    assert await attempts(0)
    assert not await attempts(4)
    assert await attempts(1)
    assert not await attempts(9)
    assert await attempts(1)
    for _ in range(10):
        await attempts(300)
    assert not await attempts(299)
    monkeypatch.undo()
    clock.now += 1
    result = await machine.get()
    assert result.engines["llama.cpp"].available
    clock.now += 10_000
    assert await machine.get() is result
