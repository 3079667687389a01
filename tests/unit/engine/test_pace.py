"""Test how many tokens a step reads while other requests generate."""

from __future__ import annotations

from a3s_power_jupyter.engine.pace import MIN_READ, Pace


def test_a_step_reads_as_much_as_its_time_allows() -> None:
    pace = Pace(0.1, 256)
    assert pace.n_tokens == 128  # until a batch was measured
    pace.record(200, 0.5)  # 400 tokens a second
    assert pace.n_tokens == 40
    for _ in range(40):
        pace.record(300, 0.1)
    assert 290 < pace.n_tokens <= 300
    for _ in range(40):
        pace.record(300, 100.0)
    assert pace.n_tokens == MIN_READ


def test_few_tokens_say_little_about_the_pace() -> None:
    pace = Pace(0.1, 256)
    pace.record(MIN_READ - 1, 100.0)
    assert pace.n_tokens == 128
