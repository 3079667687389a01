"""Test `Parts`: assignment of bytes to connections, and the contiguous bytes on disk."""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.hub.transfer.parts import LARGEST, SMALLEST, Part, Parts, merged

MIB = 1 << 20
ranges = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda pair: (min(pair), max(pair)))
)


@given(ranges)
def test_merged_has_the_same_bytes(given_ranges: list[tuple[int, int]]) -> None:
    result = merged(given_ranges)
    covered = {byte for start, end in given_ranges for byte in range(start, end)}
    assert [byte for start, end in result for byte in range(start, end)] == sorted(covered)
    assert all(end < start for (_, end), (start, _) in pairwise(result))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300 * MIB), st.integers(1, 6), ranges, st.randoms(use_true_random=False))
def test_every_byte_is_fetched_once(
    size: int, connections: int, present: list[tuple[int, int]], chance: random.Random
) -> None:
    """Connections start, fetch, fail and retry in any order until the file is complete."""
    on_disk = [(min(a * 3 * MIB, size), min(b * 3 * MIB, size)) for a, b in present]
    parts = Parts(size, on_disk)
    fetched = merged(on_disk)
    active = []
    while not parts.complete:
        if len(active) < connections and (part := parts.assign(connections)) is not None:
            active.append(part)
            continue
        part = chance.choice(active)
        before = part.position
        parts.advance(part, chance.randint(0, part.left))
        assert not any(a < part.position and before < b for a, b in fetched)
        fetched = merged([*fetched, (before, part.position)])
        if not part.left or chance.random() < 0.3:
            parts.release(part)
            active.remove(part)
        assert parts.completed == sum(b - a for a, b in parts.present())
    assert parts.present() == ([(0, size)] if size else [])


def test_parts_get_smaller_towards_the_end() -> None:
    parts = Parts(1000 * MIB)
    sizes = []
    while (part := parts.assign(4)) is not None and len(sizes) < 1000:
        sizes.append(part.left)
        parts.advance(part, part.left)
        parts.release(part)
    assert sizes[0] == LARGEST
    assert all(size >= SMALLEST // 2 for size in sizes)
    assert sizes[-2] < 2 * SMALLEST
    assert sum(sizes) == 1000 * MIB


@pytest.fixture
def busy() -> tuple[Parts, Part]:
    """A file of 10 MiB with one connection, which fetched 2 MiB in two seconds."""
    parts = Parts(10 * MIB)
    part = parts.assign_from(0)
    assert part is not None
    part.started_at = 100.0
    parts.advance(part, 2 * MIB)
    part.received_at = 102.0
    return parts, part


def test_half_of_the_rest_of_a_slow_connection_is_reassigned(busy: tuple[Parts, Part]) -> None:
    parts, slow = busy
    assert parts.assign(4) is None
    other = parts.reassign(102.0)
    assert other is not None
    assert (slow.end, other.start, other.end) == (6 * MIB, 6 * MIB, 10 * MIB)
    parts.advance(other, other.left)
    parts.release(other)
    parts.advance(slow, 7 * MIB // 2)
    assert parts.reassign(105.5) is None  # it is fast enough for the rest


def test_all_of_the_rest_of_a_stalled_connection_is_reassigned(busy: tuple[Parts, Part]) -> None:
    parts, stalled = busy
    parts.advance(stalled, 7 * MIB)
    stalled.received_at = 109.0
    assert parts.reassign(113.0) is None
    other = parts.reassign(115.0)
    assert other is not None
    assert (other.start, other.end) == (9 * MIB, 10 * MIB)
    parts.advance(stalled, MIB)  # late bytes count for the other connection
    assert parts.completed == 9 * MIB
    parts.advance(other, MIB)
    assert parts.complete


def test_a_new_connection_is_not_slow() -> None:
    parts = Parts(10 * MIB)
    part = parts.assign_from(0)
    assert part is not None
    assert parts.reassign(part.started_at + 0.5) is None


@pytest.mark.parametrize("position", [0, 3 * MIB, 5 * MIB])
def test_the_next_gap_for_a_server_without_ranges(position: int) -> None:
    parts = Parts(10 * MIB, [(2 * MIB, 4 * MIB)])
    part = parts.assign_from(position)
    if position == 5 * MIB:
        assert part is None  # the gap begins before the bytes being sent
        return
    assert part is not None
    assert (part.start, part.end) == ((0, 2 * MIB) if position == 0 else (4 * MIB, 10 * MIB))


def test_waiting_for_contiguous_bytes() -> None:
    parts = Parts(4 * MIB)
    first, second = parts.assign(2), parts.assign(2)
    assert first is not None
    assert second is not None
    parts.advance(second, second.left)
    assert parts.wait_beyond(0, MIB, timeout=0.01) == 0  # the beginning is missing
    threading.Timer(0.05, lambda: parts.advance(first, first.left)).start()
    assert parts.wait_beyond(0, MIB, timeout=10) == 4 * MIB
