"""The code in answers of models."""

from __future__ import annotations

import json

import pytest

from a3s_power_jupyter.assistant.answer_code import find_code
from support.paths import ROOT

CASES = json.loads((ROOT / "tests/support/answer_code_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_find_code(case: dict[str, str]) -> None:
    """The tests of ``answerCode.ts`` have the same cases."""
    assert find_code(case["answer"], case["language"]) == (case["code"], case["note"])


def test_code_keeps_characters_that_end_lines_elsewhere() -> None:
    code = 's = "a\u2028b\x0c"  # c\x85 d'
    assert find_code(f"```python\n{code}\n```").code == code


def test_a_long_line_takes_linear_time() -> None:
    assert find_code("a" + " " * 200_000 + "b").code is None  # minutes if it were quadratic
    assert find_code("a \t += 1").code is not None
