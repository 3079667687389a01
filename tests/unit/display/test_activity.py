"""Test the text about what a model is doing."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.types import Model
from a3s_power_jupyter.display import activity
from support.paths import SUPPORT

CASES = json.loads((SUPPORT / "activity_display_cases.json").read_text(encoding="utf-8"))


def model(**changes: Any) -> Model:
    wire = {
        "id": "m",
        "created": 1,
        "format": "gguf",
        "size_bytes": 1,
        "size": 1,
        "state": "busy",
        "loaded": True,
        "parameters": {},
        "default_parameters": {},
        "capabilities": [],
        "source": {},
        "pinned": False,
    }
    return msgspec.convert({**wire, **changes}, Model)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases_shared_with_the_browser(case: dict[str, Any]) -> None:
    shown = model(**case["model"])
    pinned = ", pinned" if shown.pinned else ""
    assert activity.state(shown) + pinned == case["state"]
    assert activity.speed(shown) == case["speed"]
    assert activity.cache(shown) == case["cache"]
    assert activity.cache_share(shown) == case["used"]
    assert activity.warm(shown) == case["warm"]
    assert activity.cache_details(shown) == case["details"]
