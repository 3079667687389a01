"""How the rows of a batch are divided among prompts."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.engine.llamacpp import batch


class Prompt:
    n_computed = 5

    def __init__(self, pending: int) -> None:
        self.pending = pending


def shares(*pending: int, free: int, most: int) -> list[int]:
    """Return the rows of each prompt; the first prompt is the oldest."""
    prompts: list[Any] = [Prompt(n) for n in pending]
    parts = batch._divide([(prompt, 5 + prompt.pending) for prompt in prompts], free, most)
    found = {part.sequence: part.end - part.start for part in parts}
    assert all(part.start == 5 for part in parts)
    assert [*found] == [prompt for prompt in prompts if prompt in found]  # the oldest first
    return [found.get(prompt, 0) for prompt in prompts]


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        ([20], [20]),
        ([500], [40]),
        ([100], [100]),  # to its end
        ([100, 100, 100], [100, 0, 0]),  # the oldest of equal ones
        ([10, 10, 10, 10, 10], [10, 10, 10, 10, 0]),
        ([10, 200], [10, 30]),
        ([500, 600], [40, 0]),
        ([600, 500], [20, 20]),  # the shorter one, and half for the oldest
        ([600, 90], [20, 90]),
        ([600, 110], [20, 20]),  # 130 rows would be too many
        ([15, 10, 30], [15, 10, 15]),
    ],
)
def test_the_shortest_prompt_is_first_and_the_oldest_goes_on(
    pending: list[int], expected: list[int]
) -> None:
    assert shares(*pending, free=40, most=120) == expected


def test_a_batch_is_never_overfilled() -> None:
    for free in range(1, 12):
        for most in range(free, 15):
            for pending in ([3, 9, 1], [20, 1, 1, 1], [1, 20, 3], [30, 30], [2], [8, 7, 7]):
                found = shares(*pending, free=free, most=most)
                assert 0 < sum(found) <= most
                assert found[0] > 0
                assert all(n <= limit for n, limit in zip(found, pending, strict=True))


def test_nothing_is_read_without_room() -> None:
    assert shares(3, 4, free=0, most=0) == [0, 0]
    assert shares(free=4, most=4) == []
