"""How a pull does, in words and HTML, and what its events make of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.display import pull_progress
from a3s_power_jupyter.magics.pull_display import after


def pull(**changes: Any) -> PullStatus:
    return PullStatus(**{"name": "x", "status": "pulling", "started_at": 0.0, **changes})


def test_a_name_is_text_not_markup() -> None:
    status = pull(
        name='a/<b>&"x":Q4',
        phase="downloading",
        completed=1,
        total=4,
        bytes_per_second=2e6,
        eta_seconds=61.0,
        note="<i>",
    )
    said = 'a/<b>&"x":Q4: downloading 25%, 1 bytes of 4 bytes, 2.0 MB/s, 1 min left'
    assert pull_progress.text(status) == said
    markup = pull_progress.markup(status)
    assert "<b>" not in markup
    assert 'aria-label="Pull of a/&lt;b&gt;&amp;&quot;x&quot;:Q4" value="0.2500" max="1"' in markup
    assert "<small>&lt;i&gt;</small>" in markup


def test_before_the_size_is_known() -> None:
    assert "value=" not in pull_progress.markup(pull())
    assert pull_progress.text(pull()) == "x: asking the hub"


def test_a_bar_without_a_value_moves_only_while_something_does() -> None:
    assert "<progress" in pull_progress.markup(pull())
    failed = pull(status="failed", error={"message": "The <hub> is away."})
    assert "<progress" not in pull_progress.markup(failed)
    assert "The &lt;hub&gt; is away." in pull_progress.markup(failed)


def test_what_is_over_has_no_rate() -> None:
    done = pull(status="done", completed=4, total=4, bytes_per_second=9.0)
    assert pull_progress.text(done) == "x: done 100%, 4 bytes"


def test_what_stalls_says_so() -> None:
    event = {"status": "downloading", "completed": 5, "total": 10, "bytes_per_second": 0.0}
    status = after(pull(), {**event, "eta_seconds": None})
    assert pull_progress.text(status) == "x: downloading 50%, 5 bytes of 10 bytes, nothing arrives"


@pytest.mark.parametrize(
    ("event", "status", "phase", "completed"),
    [
        ({"status": "resolving"}, "pulling", "resolving", 3),
        ({"status": "planned", "total": 10, "note": "Chosen."}, "pulling", "resolving", 3),
        ({"status": "resuming", "offset": 7, "total": 10}, "pulling", "downloading", 7),
        ({"status": "verifying"}, "pulling", "verifying", 3),
        ({"status": "paused", "completed": 8}, "paused", UNSET, 8),
        ({"status": "success"}, "done", UNSET, 3),
        ({"status": "cancelled"}, "cancelled", UNSET, 3),
    ],
)
def test_events(event: dict[str, Any], status: str, phase: object, completed: int) -> None:
    known = after(pull(completed=3, total=10), event)
    assert (known.status, known.phase, known.completed, known.total) == (
        status,
        phase,
        completed,
        10,
    )


def test_what_was_said_once_is_kept() -> None:
    planned = after(pull(), {"status": "planned", "total": 10, "note": "Chosen."})
    later = after(planned, {"status": "downloading", "completed": 1, "bytes_per_second": 1.0})
    assert (later.total, later.note) == (10, "Chosen.")
