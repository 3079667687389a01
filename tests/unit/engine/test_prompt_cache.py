"""States of earlier requests in host memory."""

from __future__ import annotations

import random
from array import array

from a3s_power_jupyter.engine.prompt_cache import (
    Checkpoint,
    Entry,
    PromptCache,
    common_prefix,
    token_array,
)


def entry(*tokens: int, size: int = 10) -> Entry[str]:
    positions = array("i", range(len(tokens)))
    return Entry(token_array(tokens), positions, len(tokens), 0, "state", size)


def contents(cache: PromptCache[str]) -> list[list[int]]:
    return [found.tokens.tolist() for found in cache]


def test_the_least_recently_used_entry_is_dropped() -> None:
    cache = PromptCache[str](30)
    first, second, third = entry(1), entry(2), entry(3)
    for added in (first, second, third):
        assert cache.add(added)
    cache.touch(first)
    cache.add(entry(4))
    assert contents(cache) == [[4], [1], [3]]
    assert cache.size == 30


def test_an_entry_replaces_those_that_it_continues() -> None:
    cache = PromptCache[str](100)
    cache.add(entry(1, 2))
    cache.add(entry(1, 3))
    cache.add(entry(1, 2, 3))
    assert contents(cache) == [[1, 2, 3], [1, 3]]
    cache.add(entry(1, 2, 3))
    assert contents(cache) == [[1, 2, 3], [1, 3]]


def test_an_entry_larger_than_the_limit_is_not_added() -> None:
    cache = PromptCache[str](15)
    cache.add(entry(1))
    assert not cache.add(entry(2, size=16))
    assert contents(cache) == [[1]]
    assert not PromptCache[str](0).add(entry(1))


def test_checkpoints_count() -> None:
    cache = PromptCache[str](30)
    cache.add(entry(1))
    large = entry(2, 3)
    large.checkpoints = (Checkpoint(1, 1, "state", 15),)
    cache.add(large)
    assert (contents(cache), cache.size) == ([[2, 3]], 25)


def test_the_common_prefix_of_random_tokens() -> None:
    rng = random.Random(1)  # noqa: S311  # reproducible
    for _ in range(300):
        tokens = [rng.choice([-(2**63), 0, 7]) for _ in range(rng.randrange(40))]
        cut = rng.randrange(len(tokens) + 1)
        other = tokens[:cut] + [9] * rng.randrange(3)
        expected = next(
            (i for i, (a, b) in enumerate(zip(tokens, other, strict=False)) if a != b),
            min(len(tokens), len(other)),
        )
        assert common_prefix(token_array(tokens), token_array(other)) == expected
