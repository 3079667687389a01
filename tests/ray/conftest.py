"""A Ray cluster of two nodes, and a stand-in for the hub from which its models are pulled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hub_server import HubServer, run_hub
from support.ray_cluster import END, RayCluster, run_cluster
from support.waiting import wait_until


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub() as running:
        running.add("tests/Chat-GGUF", {"model-Q4_1.gguf": smollm2_path})
        yield running


@pytest.fixture(scope="module")
def cluster(hub: HubServer) -> Iterator[RayCluster]:
    with run_cluster(HF_ENDPOINT=hub.url, HF_TOKEN="", HF_HUB_DISABLE_XET="1") as running:
        assert len(running.processes()) > 5
        yield running
    wait_until(lambda: not running.processes(), END)
