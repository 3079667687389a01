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
        ("python prometheus_users.py hub:80 f.json", "list of servers for Prometheus"),
        ("node node_modules/.bin/configurable-http-proxy --ip", "configurable-http-proxy"),
        ("python -m jupyter_server --ip=127.0.0.1", "notebook server"),
        ("ray::ServeReplica:default:Replica", "replica of Ray Serve"),
        (
            "python -m a3s_power_jupyter.server.extension "
            "--ServerApp.authorizer_class=a3s_power_jupyter.ray.authorizer.ReplicaAuthorizer",
            "replica of Ray Serve",
        ),
        ("ray::ServeReplica:default:Ingress", "ingress of Ray Serve"),
        ("ray::ServeController.listen_for_change", "Ray"),
        ("build/ray/lib/python3.12/site-packages/ray/core/src/ray/raylet/raylet --x", "Ray"),
        ("build/ray/bin/python tests/ray/cluster.py 8265 1", "Ray"),
    ],
)
def test_a_process_belongs_to_a_part(command: str, part: str) -> None:
    assert part_of([command, "python benchmarks/scale.py"]) == part


def test_a_process_belongs_to_its_parent() -> None:
    watcher = "build/ray/bin/python -I -S a3s_power_jupyter/ipc/watcher.py"
    commands = [watcher, "ray::ServeReplica:default:Replica", "site-packages/ray/raylet"]
    assert part_of(commands) == "replica of Ray Serve"


def test_an_unknown_process_is_not_left_out() -> None:
    with pytest.raises(ValueError, match="unknown process: sleep 5"):
        part_of(["sleep 5", "bash"])
