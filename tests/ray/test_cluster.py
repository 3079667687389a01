"""How Ray Serve behaves on two nodes: streams, killed replicas and nodes, and the end."""

from __future__ import annotations

import os
import signal

import httpx2
import pytest

from support.waiting import wait_until

from .conftest import RayCluster


@pytest.fixture(scope="module")
def counting(cluster: RayCluster) -> RayCluster:
    """The cluster with the application of `counting.py`."""
    cluster.command("serve", "run", "--non-blocking", "--address", cluster.address, "counting:app")
    wait_until(lambda: len(cluster.replicas("Counting")) == 2, 120)
    return cluster


def count(cluster: RayCluster) -> int | None:
    """Return the process id of the replica that counts to the end, or None if the reply breaks."""
    try:
        reply = httpx2.get(f"{cluster.url}count?until=2", timeout=60)
    except httpx2.TransportError:
        return None
    lines = reply.text.split("\n\n")
    return int(lines[0].split()[1]) if reply.status_code == 200 and len(lines) == 3 else None


def test_replicas_are_on_both_nodes_and_answer(counting: RayCluster) -> None:
    replicas = counting.replicas("Counting")
    assert len(set(replicas.values())) == 2
    seen: set[int | None] = set()
    wait_until(lambda: seen.add(count(counting)) or seen >= set(replicas), 120)


def test_a_stream_of_a_killed_replica_breaks_and_the_replica_is_replaced(
    counting: RayCluster,
) -> None:
    with httpx2.stream("GET", f"{counting.url}count?until=10000", timeout=120) as reply:
        pieces = reply.iter_text()
        pid = int(next(pieces).split()[1])  # the first piece comes while it counts
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            list(pieces)
    wait_until(lambda: len(counting.replicas("Counting").keys() - {pid}) == 2, 120)
    assert wait_until(lambda: count(counting), 120) != pid


def test_the_other_node_answers_when_a_node_is_removed(counting: RayCluster) -> None:
    removed = counting.remove_node()
    wait_until(lambda: removed not in counting.replicas("Counting").values(), 120)
    assert wait_until(lambda: count(counting), 120) in counting.replicas("Counting")
