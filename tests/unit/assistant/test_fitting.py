"""What is sent is shortened until it fits."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.assistant.fitting import Count, Draft, TooLongError, fit, middle_out


def compose(characters: int) -> Draft:
    return Draft([{"role": "user", "content": "c" * (300 + characters)}], "cut")


def count_in(context: int) -> tuple[list[int], object]:
    """Count one token a character, which is three times as many as expected."""
    asked: list[int] = []

    def count(messages: list[dict[str, str]]) -> Count:
        asked.append(len(messages[0]["content"]))
        return Count(asked[-1], context)

    return asked, count


@pytest.mark.parametrize("context", [0, 10_000, 2000, 600, 430, 428])
def test_the_question_leaves_room_for_the_answer(context: int) -> None:
    asked, count = count_in(context)
    draft = fit(compose, 6000, 100, count)  # type: ignore[arg-type]
    used = len(draft.messages[0]["content"])
    assert context == 0 or used + 128 <= context
    assert len(asked) <= 6


def test_code_that_does_not_fit_is_refused() -> None:
    _, count = count_in(427)
    with pytest.raises(TooLongError, match=r"has 300 tokens .* about 128, .* has 427"):
        fit(compose, 6000, 100, count)  # type: ignore[arg-type]


def test_the_middle_is_left_out() -> None:
    text = "\n".join(f"line {n}" for n in range(100))
    cut = middle_out(text, 100)
    assert cut.startswith("line 0\n")
    assert cut.endswith("\nline 99")
    assert "left out" in cut
    assert middle_out("short", 100) == "short"
    assert middle_out(text, 0) == ""
