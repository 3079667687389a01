"""Fixtures of the scheduler's tests."""

from __future__ import annotations

import pytest

from support.scheduler_bench import Bench


@pytest.fixture
async def bench() -> Bench:
    return Bench()
