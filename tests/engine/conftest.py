"""Fixtures for tests of the engines."""

from __future__ import annotations

import time

import pytest

from a3s_power_jupyter.engine import heartbeat


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of all heartbeats, however close to each other they are."""
    times: list[float] = []
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    monkeypatch.setattr(heartbeat.HEARTBEAT, "_send", lambda: times.append(time.monotonic()))
    return times
