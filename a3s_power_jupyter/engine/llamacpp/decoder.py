"""Call llama.cpp, and send heartbeats during computations that may take long."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import llama_cpp as lc

from ..heartbeat import HEARTBEAT

#: Tokens of a batch from which it may take long, on a slow machine with a large model. With fewer
#: tokens, heartbeats would take a noticeable part of the time of a small model.
LONG_BATCH = 32

#: Seconds after which the next batch may take long, too: the machine is busy, or reads the weights
#: from the disk again and again.
SLOW = 1.0

#: Nodes of an image encoder's graph that are computed between two calls of `on_image_node`.
NODES = 32


@lc.ggml_abort_callback  # type: ignore[untyped-decorator]
def _on_node(_data: object) -> bool:
    """Send a heartbeat. llama.cpp calls this after each node of the graph, on the CPU only."""
    HEARTBEAT.beat()
    return False  # go on


_image_nodes = count(1)


@lc.ggml_backend_sched_eval_callback  # type: ignore[untyped-decorator]
def on_image_node(_tensor: object, ask: bool, _data: object) -> bool:
    """Send a heartbeat after each `NODES` nodes.

    llama.cpp first asks for each node whether to call this after it, and computes all nodes up to
    the next such node at once. A result of False after a node would end the computation.
    """
    if ask:
        return next(_image_nodes) % NODES == 0
    HEARTBEAT.beat()
    return True


_NO_CALLBACK = lc.ggml_abort_callback()


class Decoder:
    """Computes the batches of one context."""

    def __init__(self) -> None:
        self._slow = True  # the first batch may have to read the weights from the disk

    def decode(self, context: Any, batch: Any) -> int:
        """Call ``llama_decode`` and return its status."""
        send_heartbeats(context, self._slow or batch.n_tokens >= LONG_BATCH)
        started = time.monotonic()
        status = lc.llama_decode(context, batch)
        self._slow = time.monotonic() - started > SLOW
        return int(status)


def send_heartbeats(context: Any, enabled: bool) -> None:
    """Set whether computations of a context send heartbeats."""
    lc.llama_set_abort_callback(context, _on_node if enabled else _NO_CALLBACK, None)
