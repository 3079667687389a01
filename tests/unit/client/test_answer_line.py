"""Test the line with the tokens and the speed of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from a3s_power_jupyter.client import Reading, Reply, Usage
from a3s_power_jupyter.client.replies import timings_of
from a3s_power_jupyter.display import answer_line
from support.paths import SUPPORT

CASES = json.loads((SUPPORT / "answer_display_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases_shared_with_the_browser(case: dict[str, Any]) -> None:
    reply = Reply(
        "An answer.",
        usage=case["usage"] and Usage.from_wire(case["usage"]),
        timings=timings_of(case["timings"]),
        first_token_seconds=case["first_token_seconds"],
        seconds=case["seconds"],
    )
    assert reply.statistics == case["line"]
    assert reply.text == "An answer."


def test_a_displayed_reply_has_the_line_below_it() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=2)
    line = '<p><small style="opacity: 0.7">2 tokens · 1 prompt token</small></p>\n'
    assert Reply("Yes.", usage=usage)._repr_html_() == f'<p dir="auto">Yes.</p>\n{line}'
    assert repr(Reply("Yes.", usage=usage)) == "'Yes.'"
    assert Reply("Yes.")._repr_html_() == '<p dir="auto">Yes.</p>\n'


@pytest.mark.parametrize("changes", [{"predicted_n": 2**60}, {"predicted_ms": 1e-300}])
def test_an_impossible_speed_is_not_shown(changes: dict[str, Any]) -> None:
    timings = {"prompt_n": 1, "prompt_ms": 1.5, "predicted_n": 2, "predicted_ms": 3, **changes}
    usage = Usage(prompt_tokens=1, completion_tokens=2)
    reply = Reply("Yes.", usage=usage, timings=timings_of(timings))
    assert reply.statistics == "2 tokens · 1 prompt token"


def test_the_progress_in_a_prompt() -> None:
    line = answer_line.reading(Reading(3072, 8000, cached=0, time_ms=900.0))
    assert line == "Reading the prompt: 3,072 of 8,000 tokens"
