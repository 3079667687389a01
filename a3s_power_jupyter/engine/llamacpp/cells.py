"""Count the cells of a KV cache, which sequences with the same beginning share."""

from __future__ import annotations

from array import array
from collections import Counter


class Cells:
    """The cells in use.

    llama.cpp chooses the cells. This only numbers them, to know how many are free.

    Attributes
    ----------
    used : int
        Number of cells that at least one sequence uses.
    """

    def __init__(self) -> None:
        self.used = 0
        self._next = 0
        self._shared: Counter[int] = Counter()  # further sequences that use a cell

    def grow(self, cells: array[int], count: int) -> None:
        """Add new cells to a sequence."""
        cells.extend(range(self._next, self._next + count))
        self._next += count
        self.used += count

    def share(self, cells: array[int], count: int) -> array[int]:
        """Return the first cells of a sequence, for another sequence to use."""
        shared = cells[:count]
        self._shared.update(shared)
        return shared

    def cut(self, cells: array[int], keep: int) -> None:
        """Remove all but the first `keep` cells from a sequence."""
        for cell in cells[keep:]:
            if cell in self._shared:
                self._shared[cell] -= 1
                if self._shared[cell] == 0:
                    del self._shared[cell]
            else:
                self.used -= 1
        del cells[keep:]
