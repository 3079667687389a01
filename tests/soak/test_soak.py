"""A short soak. ``make soak`` runs a long one; see docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from .report import write_report
from .result import Options
from .soak import soak


@pytest.mark.timeout(1800)
def test_a_short_soak(tmp_path: Path) -> None:
    # Memory still grows a little in so short a time, and what is opened on first use may be opened
    # in the last round: a run of 30 minutes has 13 descriptors at rest, a short one 9 or 13.
    options = Options(seconds=30, rounds=3, stops=2, growth=0.15, spare=6)
    result = soak(tmp_path, options)
    write_report(result, tmp_path)
    assert result.violations == []
    assert result.requests > 20
