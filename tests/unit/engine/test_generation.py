"""The state of a generation: its items, its limits and its text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelProducesNaN,
)
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Delta,
    Finished,
    Reading,
    Sampling,
    Started,
    Timings,
    TokenLogprob,
)
from a3s_power_jupyter.engine.checks import check_prompt, check_token_ids
from a3s_power_jupyter.engine.generation import Generation
from a3s_power_jupyter.engine.stopwatch import Stopwatch
from a3s_power_jupyter.engine.text_stream import TextStream
from support.items import counts

LOGPROB = TokenLogprob("a", [97], -0.5, [])


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def generation(
    *, num_ctx: int = 100, echo: bool = False, cached: int = 0, **sampling: Any
) -> Generation[None]:
    """Return a generation that has begun with its prompt."""
    request = CompletionRequest([1, 2, 3], Sampling(**sampling), echo=echo)
    state: Generation[None] = Generation.from_request(
        7,
        request,
        [1, 2, 3],
        None,
        num_ctx=num_ctx,
        end_tokens=(),
        token_to_text=lambda token: b"<%d>" % token,
    )
    state.begin(cached)
    return state


def timed(clock: Clock, **arguments: Any) -> Generation[None]:
    """Return a generation that is measured with `clock`, and has not begun."""
    state = generation(**arguments)
    state.stopwatch = Stopwatch(clock)
    return state


def test_the_start_and_the_echo_precede_the_first_token() -> None:
    state = generation(echo=True, cached=2)
    assert state.prefilling
    assert state.accept(5, b"a", None) == [Started(3, 2), Delta("<1><2><3>", tokens=0), Delta("a")]
    assert not state.prefilling
    assert state.accept(6, b"b", None) == [Delta("b")]


@pytest.mark.parametrize(("num_ctx", "max_tokens"), [(100, 2), (5, 50)])
def test_a_generation_ends_at_its_limit_or_the_end_of_the_context(
    num_ctx: int, max_tokens: int
) -> None:
    state = generation(num_ctx=num_ctx, max_tokens=max_tokens)
    state.accept(5, b"a", None)
    assert not state.finished
    text, end = state.accept(6, b"b", None)
    assert text == Delta("b")
    assert counts(end) == ("length", 3, 2, 0)
    assert state.finished


def test_the_end_of_generation_token_is_not_counted() -> None:
    state = generation()
    state.accept(5, b"a", None)
    [end] = state.accept_eos(0)
    assert counts(end) == ("stop", 3, 1, 0)
    assert state.finished


def test_a_stop_string_ends_a_generation_and_is_not_sent() -> None:
    state = generation(stop=("STOP",))
    assert state.accept(5, b"a ST", None)[1:] == [Delta("a ")]
    [end] = state.accept(6, b"OP b", None)
    assert counts(end) == ("stop", 3, 2, 0)


@pytest.mark.parametrize(
    ("stop", "found"),
    [(("b", "STOP"), "STOP"), (("OP", "STOP"), "STOP"), (("STOP", "ST"), "STOP"), (("c",), None)],
)
def test_the_end_of_a_generation_has_the_first_stop_string_in_the_text(
    stop: tuple[str, ...], found: str | None
) -> None:
    """Of those that begin at the same place, it is the first one in the request."""
    state = generation(max_tokens=1, stop=stop)
    end = state.accept(5, b"a STOP b", None)[-1]
    assert isinstance(end, Finished)
    assert (end.stop, end.finish_reason) == (found, "stop" if found else "length")


def test_logprobs_wait_for_their_text() -> None:
    state = generation(logprobs=0, stop=("abc",))
    assert state.accept(5, b"x", LOGPROB)[1:] == [Delta("x", [LOGPROB])]
    assert state.accept(5, b"", LOGPROB) == [Delta("", [LOGPROB])]


def test_a_text_has_the_number_of_its_tokens() -> None:
    state = generation(stop=("abc",))
    assert state.accept(5, b"x", None)[1:] == [Delta("x", tokens=1)]
    assert state.accept(5, b"a", None) == []
    assert state.accept(5, b"b", None) == []
    assert state.accept(5, b"x", None) == [Delta("abx", tokens=3)]


def test_the_prompt_and_the_generated_tokens_are_timed() -> None:
    clock = Clock()
    state = timed(clock)
    clock.now = 101.0
    state.begin(1)
    clock.now = 103.0
    state.begin(0)  # the engine had to start over
    clock.now = 104.0
    state.accept(5, b"a", None)
    assert state.timings == Timings(3, 3000, 1, 0, 0)
    clock.now = 104.5
    state.accept(5, b"b", None)
    clock.now = 106.0
    [end] = state.accept_eos(0)
    assert end.timings == Timings(3, 3000, 2, 2000, 0)  # type: ignore[union-attr]


def test_cached_tokens_are_not_counted_as_computed() -> None:
    state = generation(cached=2)
    [*_, end] = state.accept_eos(0)
    assert (state.timings.prompt_n, state.timings.cache_n) == (1, 2)
    assert counts(end) == ("stop", 3, 0, 2)


def test_the_time_of_a_prompt_needs_its_beginning() -> None:
    state = timed(Clock())
    with pytest.raises(RuntimeError, match="has not begun"):
        state.accept_eos(0)


def test_progress_is_reported_twice_a_second_and_at_the_end() -> None:
    clock = Clock()
    state = timed(clock, return_progress=True)
    state.begin(1)
    clock.now = 100.25
    assert state.reading() == []
    clock.now = 100.5
    state.num_computed_tokens = 2
    assert state.reading() == [Reading(2, 3, 1, 500)]
    assert state.reading() == []
    clock.now = 100.75
    state.num_computed_tokens = 3
    assert state.accept(5, b"a", None)[:2] == [Reading(3, 3, 1, 750), Started(3, 1)]
    clock.now = 110.0
    assert state.reading() == []


def test_progress_is_only_reported_on_request() -> None:
    clock = Clock()
    state = timed(clock)
    state.begin()
    clock.now = 110.0
    assert state.reading() == []
    assert state.accept(5, b"a", None) == [Started(3, 0), Delta("a")]


def test_timings_per_token() -> None:
    clock = Clock()
    state = timed(clock, timings_per_token=True)
    state.begin()
    clock.now = 101.0
    state.accept(5, b"a", None)
    clock.now = 101.5
    [delta] = state.accept(5, b"b", None)
    assert delta == Delta("b", timings=Timings(3, 1000, 2, 500, 0))


def test_a_prompt_must_leave_room_in_the_context() -> None:
    check_prompt([1] * 9, num_ctx=10, trained_ctx=20)
    with pytest.raises(ContextLengthExceeded, match=r"10 tokens.*trained for 20"):
        check_prompt([1] * 10, num_ctx=10, trained_ctx=20)
    with pytest.raises(InvalidParameter, match="empty"):
        check_prompt([], num_ctx=10, trained_ctx=20)


@pytest.mark.parametrize("token", [-1, 4])
def test_a_token_id_must_be_in_the_vocabulary(token: int) -> None:
    check_token_ids([0, 3], 4, "prompt")
    with pytest.raises(InvalidParameter, match=f"id {token} .* of 4 tokens") as caught:
        check_token_ids([0, token], 4, "prompt")
    assert caught.value.param == "prompt"


@pytest.mark.parametrize(
    ("pieces", "stop", "sent"),
    [
        (["a", "b"], (), ["a", "b", ""]),
        (["he", "ll", "o"], ("llo",), ["he", "", "", ""]),
        (["x\n", "\n", "y"], ("\n\n",), ["x", "", "", ""]),
        (["ab", "ac"], ("abd",), ["", "abac", ""]),
        (["one STO", "P two"], ("STOP",), ["one ", "", ""]),
        (["a STO"], ("STOP",), ["a ", "STO"]),
    ],
)
def test_text_is_held_back_only_while_it_may_be_a_stop_string(
    pieces: list[str], stop: tuple[str, ...], sent: list[str]
) -> None:
    stream = TextStream(stop)
    got = ["" if stream.stopped else stream.push(piece.encode()) for piece in pieces]
    assert [*got, stream.finish()] == sent


def test_bytes_are_held_back_until_their_character_is_complete() -> None:
    stream = TextStream(())
    dog = "🐶".encode()
    assert [stream.push(dog[i : i + 1]) for i in range(4)] == ["", "", "", "🐶"]


def test_an_answer_that_ends_within_a_character_leaves_it_out() -> None:
    """Its tokens are counted nevertheless."""
    state = generation(max_tokens=2)
    first = state.accept(5, "a🐶".encode()[:3], None)
    assert first[1:] == [Delta("a")]
    [last] = state.accept(6, "a🐶".encode()[3:4], None)
    assert counts(last) == ("length", 3, 2, 0)
    state = generation(max_tokens=9)
    state.accept(5, b"\xf0", None)
    assert state.accept(6, b"b", None) == [Delta("\ufffdb", tokens=2)]  # no character at all


def test_scores_are_not_lost_if_a_prompt_starts_again_after_nan() -> None:
    finite, nan = np.zeros(9, np.float32), np.full(9, np.nan, np.float32)
    state = generation(echo=True, logprobs=0, max_tokens=0)
    with pytest.raises(ModelProducesNaN):
        state.score([(0, finite), (1, nan)])
    items = state.score([(0, finite), (1, finite)])
    assert isinstance(items[0], Started)
    tokens = [token for item in items[1:] for token in item.logprobs]
    assert [bytes(token.bytes) for token in tokens] == [b"<1>", b"<2>", b"<3>"]


def test_a_stop_string_that_is_a_special_token_is_named() -> None:
    assert generation(stop=("x", "<5>")).accept_eos(5)[-1].stop == "<5>"  # type: ignore[union-attr]
    assert generation(stop=("x",)).accept_eos(5)[-1].stop is None  # type: ignore[union-attr]
    assert generation().accept_eos(5)[-1].stop is None  # type: ignore[union-attr]
