"""Count the nodes that llama.cpp computes on the CPU, and cancel requests at some of them."""

from __future__ import annotations

import threading

from a3s_power_jupyter.engine.cancellation import CANCELLED


class Nodes:
    """The nodes computed so far. `computed` must be called after each."""

    def __init__(self) -> None:
        self.count = 0
        self._cancels: dict[int, int] = {}

    def cancel(self, id_: int, after: int) -> None:
        """Cancel a request `after` nodes from now, as the worker does: from another thread."""
        self._cancels[self.count + after] = id_

    def computed(self) -> None:
        self.count += 1
        if self.count in self._cancels:
            thread = threading.Thread(target=CANCELLED.add, args=[self._cancels[self.count]])
            thread.start()
            thread.join()
