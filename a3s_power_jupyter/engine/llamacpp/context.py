"""The memory of a llama.cpp context, which all requests share."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp as lc
import numpy as np
import numpy.typing as npt

from ..prompt_format import SavedState

#: A saved state in memory: bytes in llama.cpp's own format.
Copy = npt.NDArray[np.uint8]

#: A saved state in memory or on disk.
State = Copy | SavedState

#: Only the part of a state that cannot be cut: recurrent states and sliding windows.
PARTIAL = lc.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY

#: Number of cells of a recurrent model, which needs none for its tokens.
UNLIMITED = 2**62


class Context:
    """A ``llama_context`` with one memory for all sequences (``kv_unified``).

    Parameters
    ----------
    pointer : ctypes pointer
        The ``llama_context``.
    is_recurrent : bool
        Whether the memory only holds a state of fixed size for each sequence.

    Attributes
    ----------
    n_cells : int
        Number of tokens that the memory holds.
    can_cut : bool
        Whether a sequence can be cut at any position. A recurrent state only exists for the last
        position, and a sliding window has lost the tokens before it.
    """

    def __init__(self, pointer: Any, *, is_recurrent: bool, can_cut: bool) -> None:
        self.pointer = pointer
        self.can_cut = can_cut
        self.n_cells = UNLIMITED if is_recurrent else int(lc.llama_n_ctx(pointer))
        self._memory = lc.llama_get_memory(pointer)

    def cut(self, seq_id: int, n_past: int) -> bool:
        """Remove everything from a position on; return False if that is not possible."""
        return bool(lc.llama_memory_seq_rm(self._memory, seq_id, n_past, -1))

    def drop(self, seq_id: int) -> None:
        """Remove a sequence."""
        lc.llama_memory_seq_rm(self._memory, seq_id, -1, -1)

    def copy(self, source: int, target: int, n_past: int) -> None:
        """Let a sequence begin as another one. They share the cells, so this copies nothing."""
        lc.llama_memory_seq_cp(self._memory, source, target, -1, n_past)

    def clear(self, *, erase: bool = False) -> None:
        """Remove all sequences, so that the next one begins at the first cell.

        Parameters
        ----------
        erase : bool
            Overwrite the memory. A removed cell is only hidden by the attention mask, which does
            not hide a NaN.
        """
        lc.llama_memory_clear(self._memory, erase)

    def save(self, seq_id: int, flags: int = 0, *, limit: int | None = None) -> Copy | None:
        """Return a copy of a sequence's state, or of a part of it.

        Returns
        -------
        ndarray or None
            None if it has more than `limit` bytes, or the machine has no memory for it.
        """
        size = lc.llama_state_seq_get_size_ext(self.pointer, seq_id, flags)
        if limit is not None and size > limit:
            return None
        try:
            state = np.empty(size, np.uint8)
        except MemoryError:
            return None
        written = lc.llama_state_seq_get_data_ext(
            self.pointer, _pointer(state), size, seq_id, flags
        )
        return state if written == size else None

    def restore(self, seq_id: int, state: State, flags: int = 0) -> bool:
        """Replace a sequence's state, or a part of it; return False if that is not possible."""
        if not isinstance(state, SavedState):
            return self._restore(seq_id, state, flags)
        content = state.read()
        if content is None:
            return False
        restored = self._restore(seq_id, np.frombuffer(content, np.uint8), flags)
        if not restored:
            state.refuse()
        return restored

    def _restore(self, seq_id: int, state: Copy, flags: int) -> bool:
        size = len(state)
        read = lc.llama_state_seq_set_data_ext(self.pointer, _pointer(state), size, seq_id, flags)
        return bool(read == size)


def _pointer(state: Copy) -> Any:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
