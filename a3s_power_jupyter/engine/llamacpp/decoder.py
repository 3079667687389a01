"""Call llama.cpp, send heartbeats during long computations, and end those of cancelled requests.

llama.cpp calls back after each node of a graph, on the CPU only. On a GPU, a computation runs to
its end.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import llama_cpp as lc

from ..cancellation import CANCELLED
from ..heartbeat import HEARTBEAT
from .backend import drop_log, keep_log

#: Tokens of a batch from which it may take long, on a slow machine with a large model. With fewer
#: tokens, callbacks would take a noticeable part of the time of a small model.
LONG_BATCH = 32

#: Seconds after which the next batch may take long, too: the machine is busy, or reads the weights
#: from the disk again and again.
SLOW = 1.0

#: Nodes of an image encoder's graph that are computed between two calls of `on_image_node`.
NODES = 32

#: Architectures that compress older tokens, so that a sequence cannot go back.
COMPRESSING = ("deepseek4",)


class Aborted(Exception):
    """A computation was ended because requests of it are cancelled.

    Attributes
    ----------
    can_go_back : bool
        Whether ``llama_memory_seq_rm`` can put the sequences of the computation back to where they
        were before it. If not, all its requests are cancelled, and their sequences must be cleared.
    """

    def __init__(self, can_go_back: bool) -> None:
        super().__init__("The computation was aborted.")
        self.can_go_back = can_go_back


def _never() -> bool:
    return False


#: Returns whether the computation that is under way must end now.
_ask_decoder: Callable[[], bool] = _never


@lc.ggml_abort_callback  # type: ignore[untyped-decorator]
def _on_node(_data: object) -> bool:
    """Send a heartbeat, and return whether to end the computation."""
    HEARTBEAT.beat()
    return _ask_decoder()


_image_nodes = count(1)


@lc.ggml_backend_sched_eval_callback  # type: ignore[untyped-decorator]
def on_image_node(_tensor: object, ask: bool, _data: object) -> bool:
    """Send a heartbeat after each `NODES` nodes, and return whether to go on.

    llama.cpp first asks for each node whether to call this after it, and computes all nodes up to
    the next such node at once.
    """
    if ask:
        return next(_image_nodes) % NODES == 0
    HEARTBEAT.beat()
    return not _ask_decoder()


_NO_CALLBACK = lc.ggml_abort_callback()


class Decoder:
    """Computes the batches of one context.

    Parameters
    ----------
    context : ctypes pointer
        llama.cpp's ``llama_context``.
    gpu : bool
        Whether the model has layers on a GPU. Its computations are not ended early.
    """

    def __init__(self, context: Any, *, gpu: bool) -> None:
        model = lc.llama_get_model(context)
        self.context = context
        self._gpu = gpu
        self._keeps_tokens = not (
            lc.llama_model_is_recurrent(model)
            or lc.llama_model_is_hybrid(model)
            or _architecture(model) in COMPRESSING
        )
        self._has_window = lc.llama_model_n_swa(model) > 0
        self._slow = True  # the first batch may have to read the weights from the disk
        self._repeats = False
        self._tokens: Mapping[int, int] = {}
        self._positions: list[int] | None = None
        self._aborted: Aborted | None = None

    def decode(self, batch: Any, tokens: Mapping[int, int]) -> int:
        """Call ``llama_decode`` and return its status.

        Parameters
        ----------
        tokens : mapping of int to int
            Number of tokens in the batch of each request, by the request's id.

        Raises
        ------
        Aborted
            If the computation is ended because requests are cancelled meanwhile.
        """
        watched = self._slow or batch.n_tokens >= LONG_BATCH
        started = time.monotonic()
        try:
            status = self.call(lc.llama_decode, self.context, batch, tokens=tokens, watched=watched)
        except Aborted:
            self._repeats = True
            raise
        self._repeats = False
        self._slow = time.monotonic() - started > SLOW
        return status

    def call(
        self,
        function: Callable[..., int],
        *arguments: Any,
        tokens: Mapping[int, int],
        watched: bool = True,
    ) -> int:
        """Call a function that computes with the context, and return its status.

        Parameters
        ----------
        tokens : mapping of int to int
            As for `decode`.
        watched : bool
            Whether to send heartbeats and to notice that requests are cancelled.

        Raises
        ------
        Aborted
            As for `decode`.
        """
        global _ask_decoder
        callback = _on_node if watched else _NO_CALLBACK
        lc.llama_set_abort_callback(self.context, callback, None)
        self._tokens, self._positions, self._aborted = tokens, None, None
        _ask_decoder = self._must_end
        try:
            status = int(function(*arguments))
        finally:
            _ask_decoder = _never
            keep_log()
        if self._aborted is not None:
            raise self._aborted
        return status

    def _must_end(self) -> bool:
        """Return whether to end the computation because requests of it are cancelled.

        The other requests of the batch compute their tokens again, which are at most half of it.
        The next batch is ended only if all its requests are cancelled, so that the others go on.
        """
        if self._has_window and self._positions is None:
            self._positions = self._last_positions()
        if self._aborted is None and CANCELLED and not self._gpu:
            total = sum(self._tokens.values())
            cancelled = sum(n for id_, n in self._tokens.items() if id_ in CANCELLED)
            can_go_back = self._can_go_back()
            worth_it = 2 * cancelled >= total and can_go_back and not self._repeats
            if cancelled and (worth_it or cancelled == total):
                self._aborted = Aborted(can_go_back)
                drop_log()  # llama.cpp reports the end as an error
        return self._aborted is not None

    def _can_go_back(self) -> bool:
        """Return whether the sequences can be put back to where they were before the computation.

        llama.cpp computes a batch in one part or several. A token of the second part may take the
        place of one that the first part no longer needs, because it has left the sliding window.
        """
        if not self._keeps_tokens:
            return False
        return not self._has_window or self._positions == self._last_positions()

    def _last_positions(self) -> list[int]:
        """Return the position of the last token of each sequence."""
        memory = lc.llama_get_memory(self.context)
        sequences = range(lc.llama_n_seq_max(self.context))
        return [lc.llama_memory_seq_pos_max(memory, seq_id) for seq_id in sequences]


def _architecture(model: Any) -> str:
    buffer = ctypes.create_string_buffer(64)
    lc.llama_model_meta_val_str(model, b"general.architecture", buffer, len(buffer))
    return buffer.value.decode("utf-8", errors="replace")
