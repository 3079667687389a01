"""Bodies of forwarded requests."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, Upstream
from a3s_power_jupyter.remote.body import outgoing


def sent(body: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    upstream = Upstream("http://localhost/v1", "theirs")
    parameters = DefaultParameters(**defaults)
    manifest = Manifest("ours", "remote", 0, upstream=upstream, default_parameters=parameters)
    return outgoing(manifest, "chat/completions", {"model": "ours", **body})


@pytest.mark.parametrize(("given", "default"), [(-1, {}), (-1, {"seed": 5}), (None, {"seed": -1})])
def test_the_upstream_chooses_a_random_seed(given: int | None, default: dict[str, Any]) -> None:
    assert "seed" not in sent({} if given is None else {"seed": given}, **default)


def test_any_other_seed_is_sent() -> None:
    assert sent({"seed": 5})["seed"] == 5
    assert sent({"seed": -2})["seed"] == -2
    assert sent({}, seed=7)["seed"] == 7
