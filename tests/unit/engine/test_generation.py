"""The state of a generation: its items, its limits and its text."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, InvalidParameter
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Delta,
    Finished,
    Sampling,
    Started,
    TokenLogprob,
)
from a3s_power_jupyter.engine.checks import check_prompt, check_token_ids
from a3s_power_jupyter.engine.generation import Generation, TextStream

LOGPROB = TokenLogprob("a", [97], -0.5, [])


def generation(*, num_ctx: int = 100, echo: bool = False, **sampling: Any) -> Generation[None]:
    request = CompletionRequest([1, 2, 3], Sampling(**sampling), echo=echo)
    return Generation.from_request(
        7, request, [1, 2, 3], None, num_ctx=num_ctx, token_to_piece=lambda token: b"<%d>" % token
    )


def test_the_start_and_the_echo_precede_the_first_token() -> None:
    state = generation(echo=True)
    state.num_cached_tokens = 2
    assert state.prefilling
    assert state.accept(5, b"a", None) == [Started(3, 2), Delta("<1><2><3>"), Delta("a")]
    assert not state.prefilling
    assert state.accept(6, b"b", None) == [Delta("b")]


@pytest.mark.parametrize(("num_ctx", "max_tokens"), [(100, 2), (5, 50)])
def test_a_generation_ends_at_its_limit_or_the_end_of_the_context(
    num_ctx: int, max_tokens: int
) -> None:
    state = generation(num_ctx=num_ctx, max_tokens=max_tokens)
    state.accept(5, b"a", None)
    assert not state.finished
    assert state.accept(6, b"b", None) == [Delta("b"), Finished("length", 3, 2, 0)]
    assert state.finished


def test_the_end_of_generation_token_is_not_counted() -> None:
    state = generation()
    state.accept(5, b"a", None)
    assert state.accept_eos(0) == [Finished("stop", 3, 1, 0)]
    assert state.finished


def test_a_stop_string_ends_a_generation_and_is_not_sent() -> None:
    state = generation(stop=("STOP",))
    assert state.accept(5, b"a ST", None)[1:] == [Delta("a ")]
    assert state.accept(6, b"OP b", None) == [Finished("stop", 3, 2, 0)]


def test_logprobs_wait_for_their_text() -> None:
    state = generation(logprobs=0, stop=("abc",))
    assert state.accept(5, b"x", LOGPROB)[1:] == [Delta("x", [LOGPROB])]
    assert state.accept(5, b"", LOGPROB) == [Delta("", [LOGPROB])]


def test_a_prompt_must_leave_room_in_the_context() -> None:
    check_prompt([1] * 9, num_ctx=10, trained_ctx=20)
    with pytest.raises(ContextLengthExceeded, match=r"10 tokens.*trained for 20"):
        check_prompt([1] * 10, num_ctx=10, trained_ctx=20)
    with pytest.raises(InvalidParameter, match="empty"):
        check_prompt([], num_ctx=10, trained_ctx=20)


@pytest.mark.parametrize("token", [-1, 4])
def test_a_token_id_must_be_in_the_vocabulary(token: int) -> None:
    check_token_ids([0, 3], 4)
    with pytest.raises(InvalidParameter, match=f"id {token} .* of 4 tokens"):
        check_token_ids([0, token], 4)


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
    stream.push(dog[:2])
    assert stream.finish() == "\ufffd"
