"""Test the text and HTML of pulls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.display import pull_progress
from support.paths import SUPPORT

CASES = json.loads((SUPPORT / "pull_display_cases.json").read_text())


def pull(**changes: Any) -> PullStatus:
    return PullStatus(**{"name": "x", "status": "pulling", "started_at": 0.0, **changes})


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases_shared_with_the_browser(case: dict[str, Any]) -> None:
    status = pull(**case["status"])
    assert pull_progress.fraction(status) == case["fraction"]
    assert pull_progress.label(status) == case["label"]
    assert pull_progress.facts(status) == case["facts"]
    assert pull_progress.summary(status) == case["summary"]
    assert pull_progress.note(status) == case.get("note", "")


def test_names_and_notes_are_escaped() -> None:
    status = pull(
        name='a/<b>&"x":Q4',
        phase="downloading",
        completed=1,
        total=4,
        bytes_per_second=2e6,
        eta_seconds=61.0,
        note="<i>",
    )
    line = 'a/<b>&"x":Q4: downloading 25%, 1 B of 4 B, 2.0 MB/s, 1 min left'
    assert pull_progress.text(status) == line
    markup = pull_progress.markup(status)
    assert "<b>" not in markup
    assert 'aria-label="Pull of a/&lt;b&gt;&amp;&quot;x&quot;:Q4" value="0.2500" max="1"' in markup
    assert '<small dir="auto">&lt;i&gt;</small>' in markup


def test_the_text_says_what_a_pull_is_waiting_for() -> None:
    note = "The hub answers with status 429. Retrying in 20 s, attempt 3 of 10."
    assert pull_progress.text(pull(phase="waiting", note=note)) == f"x: waiting. {note}"
    assert pull_progress.text(pull(phase="waiting")) == "x: waiting"
    assert pull_progress.text(pull(phase="resolving", note=note)) == "x: resolving"


def test_the_bar_is_animated_only_while_the_pull_runs() -> None:
    assert "<progress" in pull_progress.markup(pull())
    assert "value=" not in pull_progress.markup(pull())
    failed = pull(status="failed", error={"message": "The <hub> is away."})
    assert "<progress" not in pull_progress.markup(failed)
    assert "The &lt;hub&gt; is away." in pull_progress.markup(failed)
