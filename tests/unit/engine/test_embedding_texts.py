"""Test fitting the texts of embedding requests into a model."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, InvalidParameter, PowerError
from a3s_power_jupyter.contract.types import RerankRequest, Truncate
from a3s_power_jupyter.engine.cancellation import cancellable
from a3s_power_jupyter.engine.embedding_texts import fit, tokenize_long
from a3s_power_jupyter.engine.pairs import Pair, read_pairs

CLS, SEP = 101, 102


@pytest.mark.parametrize(
    ("truncate", "kept", "fitted"),
    [
        ("end", (1, 1), [CLS, 1, 2, 3, SEP]),
        ("start", (1, 1), [CLS, 7, 8, 9, SEP]),
        ("start", (3, 1), [CLS, 1, 2, 9, SEP]),  # with a prompt
        ("end", (0, 0), [CLS, 1, 2, 3, 4]),
        ("start", (0, 0), [6, 7, 8, 9, SEP]),
        ("end", (3, 3), [CLS, 1, 2, 3, 4]),  # no room for anything else
    ],
)
def test_the_end_or_the_beginning_is_left_out(
    truncate: Truncate, kept: tuple[int, int], fitted: list[int]
) -> None:
    tokens = [CLS, *range(1, 10), SEP]
    assert fit(tokens, 5, truncate, kept=kept) == fitted
    assert fit(tokens, 11, truncate, kept=kept) == tokens


def test_a_long_text_is_refused_with_the_numbers_and_the_way_out() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        fit([1] * 300, 256, "none", where="input[3]", larger=True)
    assert caught.value.param == "input[3]"
    for part in ("is 256 tokens", "input[3] has 300 tokens", "truncate", "num_ctx"):
        assert part in caught.value.message
    with pytest.raises(ContextLengthExceeded, match="more than 256") as caught:
        fit([1] * 400, 256, "none", complete=False)
    assert "num_ctx" not in caught.value.message


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="empty"):
        fit([], 5, "end", where="input[0]")


class Counting:
    """A tokenizer with one token for each word, which counts the characters that it reads."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(self, text: str) -> list[int]:
        self.read += len(text)
        return [int(word) for word in text.split()]


@pytest.mark.parametrize("truncate", ["none", "start", "end"])
def test_only_a_part_of_a_huge_text_is_tokenized(truncate: Any) -> None:
    tokenize = Counting()
    text = "1 " + "2 " * 2_000_000 + "3"
    tokens, complete = tokenize_long(text, 100, truncate, tokenize)
    assert not complete
    assert tokenize.read < 200_000
    assert (tokens[-1] == 3) if truncate == "start" else (tokens[0] == 1)


def test_a_huge_text_of_few_tokens_is_read_as_a_whole() -> None:
    tokens, complete = tokenize_long("1" + " " * 1_000_000 + "2", 100, "none", Counting())
    assert (tokens, complete) == ([1, 2], True)


def test_no_more_texts_are_tokenized_for_a_request_that_is_cancelled() -> None:
    with cancellable(lambda: True), pytest.raises(PowerError, match="cancelled"):
        tokenize_long("a", 10, "none", lambda text: pytest.fail("tokenized"))


def test_a_long_query_with_many_documents_takes_little_memory() -> None:
    query = range(1000, 3000)  # integers above 256 are objects of their own

    def tokenize(query_: str, document: str) -> Pair:
        tokens = [*map(int, map(str, query)), *map(ord, document)]
        return Pair(tokens, 2000, len(tokens), [0] * len(tokens))

    tracemalloc.start()
    pairs = read_pairs(RerankRequest("q", ["a"] * 500), 4000, tokenize)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [*pairs[0].tokens] == [*query, 97]
    assert used < 500 * 2000 * 8
