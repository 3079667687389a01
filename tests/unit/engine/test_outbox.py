"""Which texts are sent together."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.types import (
    Delta,
    Finished,
    Item,
    Started,
    Timings,
    TokenLogprob,
    ToolCallDelta,
)
from a3s_power_jupyter.engine.outbox import FIRST_TEXTS, FRAME, MAX_HELD, Outbox
from support.items import finished

FAST, SLOW = FRAME / 4.5, FRAME * 0.6


class Bench:
    """An outbox with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[tuple[int, Item]] = []
        self.outbox = Outbox(lambda id_, item: self.sent.append((id_, item)), lambda: self.now)

    def step(self, seconds: float, *items: Item, **others: Item) -> list[Item]:
        """Let a step take so long and have these items of request 1; return what is sent.

        The names of `others` are `_` and the id of another request.
        """
        self.now += seconds
        self.sent.clear()
        for item in items:
            self.outbox.put(1, item)
        for name, item in others.items():
            self.outbox.put(int(name[1:]), item)
        self.outbox.end_step()
        return [item for _, item in self.sent]

    def texts(self, seconds: float, steps: int) -> list[str]:
        """Generate letters, one per step, and return the texts as they are sent."""
        texts = []
        for i in range(steps):
            sent = self.step(seconds, Delta(chr(ord("a") + i)))
            texts += [item.text for item in sent if isinstance(item, Delta)]
        return texts


@pytest.fixture
def bench() -> Bench:
    """Return an outbox after the first texts of request 1."""
    bench = Bench()
    assert bench.step(1.0, Started(3, 0), Delta("0")) == [Started(3, 0), Delta("0")]
    for i in range(1, FIRST_TEXTS):
        assert bench.step(FAST, Delta(str(i))) == [Delta(str(i))]
    return bench


def test_tokens_of_a_fast_model_are_sent_several_at_a_time(bench: Bench) -> None:
    assert bench.texts(FAST, 13) == ["abcd", "efgh", "ijkl"]


def test_tokens_of_a_slow_model_are_sent_at_once(bench: Bench) -> None:
    assert bench.texts(SLOW, 3) == ["a", "b", "c"]


def test_a_joined_text_has_the_number_of_its_tokens(bench: Bench) -> None:
    bench.step(FAST, Delta("a", tokens=2))
    bench.step(FAST, Delta("b"))
    assert bench.step(SLOW, Delta("c", tokens=0)) == [Delta("abc", tokens=3)]


def test_what_is_held_back_precedes_the_end(bench: Bench) -> None:
    bench.step(FAST, Delta("a"))
    end: Finished = finished("stop", 3, 2, 0)
    assert bench.step(FAST, Delta("b"), end) == [Delta("ab", tokens=2), end]


def test_what_is_held_back_is_sent_at_an_end_without_an_item(bench: Bench) -> None:
    bench.step(FAST, Delta("a"))
    assert not bench.sent
    bench.outbox.end(1)
    assert bench.sent == [(1, Delta("a"))]
    bench.outbox.end(1)
    assert len(bench.sent) == 1


def test_nothing_is_held_back_before_a_step_that_may_take_long(bench: Bench) -> None:
    bench.step(FAST, Delta("a"))
    bench.outbox.flush()
    assert bench.sent == [(1, Delta("a"))]
    assert bench.step(5.0, Delta("b")) == [Delta("b")]
    assert bench.step(5.0, Delta("c")) == [Delta("c")]


def test_the_first_texts_of_each_request_are_sent_at_once(bench: Bench) -> None:
    for _ in range(FIRST_TEXTS):
        assert bench.step(FAST, _2=Delta("x")) == [Delta("x")]
    assert bench.step(FAST, _2=Delta("y")) == []
    bench.outbox.end(2)
    assert bench.step(FAST, _2=Delta("z")) == [Delta("z")]


def test_the_texts_of_all_requests_are_sent_together(bench: Bench) -> None:
    for _ in range(FIRST_TEXTS):
        bench.step(FAST, Delta("a"), _2=Delta("x"))
        assert bench.sent == [(2, Delta("x")), (1, Delta("a"))]  # because one of them must be sent
    bench.step(FAST, Delta("b"), _2=Delta("y"))
    assert not bench.sent
    bench.step(SLOW, Delta("c"), _2=Delta("z"))
    assert bench.sent == [(1, Delta("bc", tokens=2)), (2, Delta("yz", tokens=2))]


def test_thoughts_and_content_keep_their_order(bench: Bench) -> None:
    bench.step(FAST, Delta("", reasoning="why"))
    bench.step(FAST / 4, Delta("so", reasoning=" not"))
    thought = bench.step(FAST / 4, Delta("", reasoning="again"))
    assert thought == [Delta("so", reasoning="why not", tokens=2)]


PROBABLE = Delta("b", [TokenLogprob("b", [98], -0.5, [])])
TIMED = Delta("b", timings=Timings(1, 1.0, 1, 1.0, 0))
CALLING = Delta("", tool_calls=[ToolCallDelta(0, "id", "name")])


@pytest.mark.parametrize("item", [PROBABLE, TIMED, CALLING], ids=["logprobs", "timings", "call"])
def test_only_text_is_held_back(bench: Bench, item: Delta) -> None:
    bench.step(FAST, Delta("a"))
    assert bench.step(FAST, item) == [Delta("a"), item]


def test_long_texts_are_sent_at_once(bench: Bench) -> None:
    bench.step(FAST, Delta("a"))
    assert bench.step(FAST, Delta("b" * MAX_HELD)) == [Delta("a" + "b" * MAX_HELD, tokens=2)]
