"""The cells that sequences share."""

from __future__ import annotations

import random
from array import array

from a3s_power_jupyter.engine.llamacpp.cells import Cells


def test_shared_cells_count_once_and_stay_for_the_last_sequence() -> None:
    cells = Cells()
    first: array[int] = array("q")
    cells.grow(first, 100)
    second = cells.share(first, 60)
    third = cells.share(second, 60)
    cells.grow(second, 10)
    assert cells.used == 110
    cells.cut(first, 0)
    assert (cells.used, len(first)) == (70, 0)
    cells.cut(second, 30)
    assert cells.used == 60
    cells.cut(second, 0)
    cells.cut(third, 0)
    assert cells.used == 0


def test_random_sequences() -> None:
    """The count is that of the different cells of all sequences."""
    rng = random.Random(2)  # noqa: S311  # reproducible
    cells = Cells()
    sequences: list[array[int]] = [array("q") for _ in range(6)]
    for _ in range(2000):
        sequence = rng.choice(sequences)
        match rng.randrange(3):
            case 0:
                cells.grow(sequence, rng.randrange(20))
            case 1:
                cells.cut(sequence, rng.randrange(len(sequence) + 1))
            case _:
                other = rng.choice([s for s in sequences if s is not sequence])
                cells.cut(sequence, 0)
                sequence.extend(cells.share(other, rng.randrange(len(other) + 1)))
        assert cells.used == len({cell for s in sequences for cell in s})
