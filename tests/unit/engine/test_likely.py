"""The most likely tokens of a vocabulary."""

from __future__ import annotations

import numpy as np
import pytest

from a3s_power_jupyter.engine.likely import ROWS, most, most_likely


@pytest.mark.parametrize("size", [2 * ROWS, 1_000, 1_023, 49_152, 49_153, 151_936])
def test_the_most_likely_tokens_are_found(size: int) -> None:
    random = np.random.default_rng(size)
    for count in {1, min(40, most(size)), most(size)}:
        logits = random.normal(0, 3, size).astype(np.float32)
        found = most_likely(logits, count)
        best = np.argsort(-logits, kind="stable")[: len(found)]
        assert len(found) >= count
        assert found.tolist() == sorted(best.tolist())


def test_equal_tokens_are_all_found() -> None:
    logits = np.zeros(10_000, np.float32)
    assert len(most_likely(logits, 5)) == 10_000
    logits[[3, 7, 9_999]] = 1.0
    assert most_likely(logits, 1).tolist() == [3, 7, 9_999]


def test_tokens_that_are_not_allowed_are_left_out() -> None:
    logits = np.full(10_000, -np.inf, np.float32)
    logits[[5, 6, 9_998]] = -70.0, 2.0, 0.5
    assert most_likely(logits, 40).tolist() == [5, 6, 9_998]
    assert most_likely(logits, 1).tolist() == [6]
