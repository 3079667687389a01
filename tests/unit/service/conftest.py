"""A running service with an empty home."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a3s_power_jupyter.handlers.metrics import RuntimeMetrics
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.service.settings import Settings


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PowerService]:
    log = logging.getLogger("tests")
    running = PowerService(Settings(tmp_path / "power"), log, RuntimeMetrics())
    yield running
    await running.stop()
