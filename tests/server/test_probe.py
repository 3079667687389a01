"""The probe of the machine's engines and devices, in a real process."""

from __future__ import annotations

import logging
import sys

import pytest

from a3s_power_jupyter.runtime import probe
from a3s_power_jupyter.runtime.probe import MachineProbe

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
        ([sys.executable, "-c", "import time; time.sleep(60)"], "no answer within 1 seconds"),
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
