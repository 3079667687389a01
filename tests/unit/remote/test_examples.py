"""The examples of remote models in the documentation can be registered."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterBody
from a3s_power_jupyter.store import ModelStore
from support.paths import ROOT


@pytest.mark.parametrize("name", ["remote-model", "remote-model-on-two-servers"])
def test_the_example_is_registered(tmp_path: Path, name: str) -> None:
    content = (ROOT / f"docs/examples/{name}.json").read_bytes()
    request = msgspec.json.decode(content, type=RegisterBody)
    manifest, created = ModelStore(tmp_path).register(request, DefaultParameters())
    assert created
    assert manifest.format == "remote"
