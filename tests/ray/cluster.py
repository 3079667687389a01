"""Run a Ray cluster of one or two nodes on this machine until standard input ends.

``support/ray_cluster.py`` runs this with the interpreter of ``build/ray``, the port of the
dashboard, and the number of nodes. It prints a line of JSON with the address when they are ready.
The line ``remove`` kills the second node.
"""

from __future__ import annotations

import json
import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 4, "object_store_memory": 100 << 20}


def tell(**values: str) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> None:
    # Ray replaces 127.0.0.1 by an address that other machines reach, but not the rest of 127/8.
    head = {"node_ip_address": "127.0.0.2", "dashboard_host": "127.0.0.1", **NODE}
    head |= {"include_dashboard": True, "dashboard_port": int(sys.argv[1])}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    two = int(sys.argv[2]) > 1
    second = cluster.add_node(node_ip_address="127.0.0.3", **NODE) if two else None
    tell(address=cluster.address)
    for line in sys.stdin:
        if line.strip() == "remove":
            cluster.remove_node(second, allow_graceful=False)
            tell(removed=second.node_id)


if __name__ == "__main__":
    main()
