"""The parts of `benchmarks/scale.py` that need no servers."""

from __future__ import annotations

import sys

import pytest

from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from scale import ratio

from costs import part_of


def test_ratios_are_of_the_same_round() -> None:
    assert ratio([10.0, 300.0, 30.0], [20.0, 100.0, 30.0]) == 1.0


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("python -m a3s_power_jupyter.engine.main", "process of the model"),
        ("python -m a3s_power_jupyter.server.extension --port=0", "jupyter power"),
        ("python -m jupyterhub.singleuser --allow-root", "server of a user of JupyterHub"),
        ("python -m jupyterhub -f jupyterhub_config.py", "JupyterHub"),
        ("python -m jupyterhub_idle_culler --timeout=60", "idle culler"),
        ("node node_modules/.bin/configurable-http-proxy --ip", "configurable-http-proxy"),
        ("python -m jupyter_server --ip=127.0.0.1", "notebook server"),
    ],
)
def test_a_process_belongs_to_a_part(command: str, part: str) -> None:
    assert part_of(command) == part


def test_an_unknown_process_is_not_left_out() -> None:
    with pytest.raises(ValueError, match="unknown process: sleep 5"):
        part_of("sleep 5")
