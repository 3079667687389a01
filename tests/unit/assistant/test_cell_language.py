"""The language of cells, by the same cases as in `labextension/test/lab/context`."""

from __future__ import annotations

import json

import pytest

from a3s_power_jupyter.assistant.cell_language import code_language
from support.paths import ROOT

CASES = json.loads((ROOT / "tests/support/cell_language_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["source"])
def test_the_language_of_a_cell_is_that_of_its_magic(case: dict[str, str]) -> None:
    assert code_language(case["source"]) == case["language"]
