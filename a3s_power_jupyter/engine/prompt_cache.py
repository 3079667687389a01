"""Keep the states of earlier requests in host memory, so that the next turns need not compute them.

A state belongs to the tokens that were computed. A request that begins with the same tokens can
start from it.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S")


def token_array(tokens: Iterable[int] = ()) -> array[int]:
    """Return tokens as 64-bit integers; those of images have negative ids of 64 bits."""
    return array("q", tokens)


@dataclass(eq=False)
class Checkpoint(Generic[S]):
    """The state after the first `n_tokens` tokens of an entry, which cannot be cut from the whole.

    Attributes
    ----------
    n_past : int
        The next position.
    size : int
        Bytes of `state`.
    """

    n_tokens: int
    n_past: int
    state: S
    size: int


@dataclass(eq=False)
class Entry(Generic[S]):
    """The state of an earlier request.

    Attributes
    ----------
    tokens : array of int
        The tokens that were computed.
    positions : array of int
        Position of each token.
    n_past : int
        The next position.
    steady : int
        Number of leading tokens that were computed in the same way as for any other request:
        alone, in chunks at fixed boundaries. They are equal bit by bit.
    state : S
        What the engine needs to go on after the last token.
    size : int
        Bytes of `state` in memory; 0 if it is on disk.
    checkpoints : tuple of Checkpoint
        States after fewer tokens.
    used : float
        Unix time of the last use.
    """

    tokens: array[int]
    positions: array[int]
    n_past: int
    steady: int
    state: S
    size: int
    checkpoints: tuple[Checkpoint[S], ...] = field(default=())
    used: float = field(default_factory=time.time)

    @property
    def total_size(self) -> int:
        return self.size + sum(checkpoint.size for checkpoint in self.checkpoints)


class PromptCache(Generic[S]):
    """The states of earlier requests, within a limit; the least recently used ones are dropped.

    Parameters
    ----------
    limit : int
        Bytes of all states together; 0 to keep nothing.
    saved : iterable of Entry
        Entries on disk, the least recently used one first.
    """

    def __init__(self, limit: int, saved: Iterable[Entry[S]] = ()) -> None:
        self.limit = limit
        self.size = 0
        # The least recently used one first.
        self._entries: dict[Entry[S], None] = dict.fromkeys(saved)

    def __iter__(self) -> Iterator[Entry[S]]:
        """Iterate over the entries, the most recently used one first."""
        return reversed(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry[S]) -> bool:
        """Add a state, unless it is larger than the limit. It replaces those that it continues."""
        if not entry.tokens or entry.total_size > self.limit:
            return False
        for other in self:
            if is_prefix(other.tokens, entry.tokens):
                self.remove(other)
        self.make_room(entry.total_size)
        self._entries[entry] = None
        self.size += entry.total_size
        return True

    def make_room(self, size: int) -> None:
        """Drop entries until `size` bytes can be added."""
        for entry in list(self._entries):
            if self.size + size <= self.limit:
                break
            if entry.total_size:
                self.remove(entry)

    def touch(self, entry: Entry[S]) -> None:
        """Count an entry as just used, if it has not been dropped."""
        if entry in self._entries:
            self._entries[entry] = self._entries.pop(entry)
            entry.used = time.time()

    def remove(self, entry: Entry[S]) -> None:
        """Drop an entry, if it has not been dropped."""
        if entry in self._entries:
            del self._entries[entry]
            self.size -= entry.total_size

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0


def is_prefix(first: array[int], second: array[int]) -> bool:
    """Return whether `second` begins with `first`."""
    return len(first) <= len(second) and second[: len(first)] == first


def common_prefix(first: array[int], second: array[int]) -> int:
    """Return the number of leading tokens that two arrays have in common."""
    # Comparing slices runs at C speed, which matters for 100,000 tokens. The first ones are short,
    # because most arrays differ soon.
    length, low, size = min(len(first), len(second)), 0, 64
    while low < length and first[low : low + size] == second[low : low + size]:
        low, size = low + size, 2 * size
    high = min(low + size, length)
    low = min(low, length)
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
